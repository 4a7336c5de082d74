# The kernel's own clients against the server, with `lanboot_test=clients`: every file of the image
# `lanboot_image` by NFS over TCP, by NFS over UDP and on the network disk, reported as checksums.

test_clients() {
    [ "$lanboot_test" = clients ] || return 0
    modprobe -a -q nfs nfsv3 nbd isofs 2>/dev/null
    mkdir -p /mnt
    nfs_files tcp tcp
    nfs_files udp udp
    nfs_files tcp udp
    disk_files
    report "LANBOOT-GUEST-CLIENTS done"
    poweroff -f
}

# nfs_files PROTOCOL MOUNT-PROTOCOL
nfs_files() {
    local protocols=nfs-$1-$2
    mount -t nfs -o "ro,nolock,vers=3,proto=$1,mountproto=$2" "$pxeserver:/iso/$lanboot_image" /mnt ||
        stop "clients: cannot mount /iso/$lanboot_image by $protocols"
    grep ' /mnt ' /proc/mounts | grep -q "vers=3,.*proto=$1,.*mountproto=$2" ||
        stop "clients: the mount by $protocols is $(grep ' /mnt ' /proc/mounts)"
    report_files "$protocols"
    umount /mnt || stop "clients: cannot unmount $protocols"
}

disk_files() {
    nbd-client "$pxeserver" -N "$lanboot_image" /dev/nbd0 || stop "clients: cannot attach the disk"
    report "LANBOOT-SUM nbd-whole $(sha256sum </dev/nbd0)"
    mount -t iso9660 -o ro /dev/nbd0 /mnt || stop "clients: cannot mount the disk"
    report_files nbd
    umount /mnt || stop "clients: cannot unmount the disk"
    nbd-client -d /dev/nbd0 || stop "clients: cannot detach the disk"
}

# report_files PROTOCOLS: a line for every file with its sum, one for every file with mode, links,
# size, time and owner, and one for every symbolic link with its target.
report_files() {
    (cd /mnt && find . -type f | sort | while IFS= read -r file; do sha256sum "$file"; done) |
        sed "s/^/LANBOOT-SUM $1 /" >/tmp/report
    {
        (cd /mnt && find . -type f | while IFS= read -r file; do stat -c '%f %h %s %Y %u %g %n' "$file"; done)
        (cd /mnt && find . -type l | while IFS= read -r file; do
            echo "$(stat -c '%f %h %s - %u %g %n' "$file") -> $(readlink "$file")"
        done)
    } | sed "s/^/LANBOOT-STAT $1 /" >>/tmp/report
    report "$(cat /tmp/report)"
}

report() { echo "$1" >/dev/ttyS0; }
