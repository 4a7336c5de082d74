# The medium over NFS, as archiso_pxe_nfs mounts it: klibc's nfsmount, version 3 over TCP.

choose_nfs() {
    if [ -n "$ip" ] && [ -n "$archiso_nfs_srv" ]; then
        archiso_nfs_srv=$(expand "$archiso_nfs_srv")
        mount_handler=mount_nfs
        transport=nfs
    fi
}

mount_nfs() {
    modprobe -a -q nfs nfsv3 2>/dev/null
    mkdir -p /run/archiso/bootmnt
    say "nfs: $archiso_nfs_srv"
    nfsmount ${archiso_nfs_opt:+-o "$archiso_nfs_opt"} "$archiso_nfs_srv" /run/archiso/bootmnt ||
        stop "nfs: cannot mount $archiso_nfs_srv"
    [ "$copytoram" = n ] || copytoram=y
    mount_medium
}
