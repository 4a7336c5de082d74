# From a mounted medium, or a device to find, to the root file system: archiso's core hook.

BOOTMNT=/run/archiso/bootmnt

mount_medium() {
    # The search runs even when HTTP or NFS has mounted the medium already: an
    # archisosearchuuid there finds nothing and ends the boot.
    [ -z "$archisosearchuuid" ] || archisodevice=$(find_device uuid "$archisosearchuuid") ||
        stop "no device with UUID $archisosearchuuid"
    mkdir -p "$BOOTMNT"
    mounted "$BOOTMNT" || mount_device
    if [ "$ERA" = 2013 ]; then
        check_2013
        read_aitab mount_row
    else
        mount_modern
    fi
    [ -x "$ROOT/sbin/init" ] || stop "the root has no /sbin/init"
}

mount_device() {
    if [ -z "$archisodevice" ]; then
        archisodevice=$(find_device label "$archisolabel") || stop "no device with label $archisolabel"
    fi
    modprobe -a -q cdrom isofs 2>/dev/null
    say "medium: $archisodevice"
    mount -t iso9660 -o ro "$archisodevice" "$BOOTMNT" || stop "cannot mount $archisodevice"
}

# find_device uuid|label VALUE: the first block device whose ISO 9660 primary descriptor says so.
find_device() {
    local tries=0 device
    while [ "$tries" -lt 30 ]; do
        for device in /dev/nbd0p* /dev/nbd0 /dev/sr* /dev/vd* /dev/sd* /dev/pmem*; do
            [ -b "$device" ] || continue
            if [ "$("iso_$1" "$device" 2>/dev/null)" = "$2" ]; then
                echo "$device"
                return 0
            fi
        done
        tries=$((tries + 1))
        sleep 1
    done
    return 1
}

iso_label() { dd if="$1" bs=1 skip=32808 count=32 2>/dev/null | sed 's/ *$//'; }

# The volume's modification date, as libblkid writes it: YYYY-MM-DD-HH-MM-SS-cc.
iso_uuid() {
    dd if="$1" bs=1 skip=33598 count=16 2>/dev/null |
        sed -n 's/^\(....\)\(..\)\(..\)\(..\)\(..\)\(..\)\(..\)$/\1-\2-\3-\4-\5-\6-\7/p'
}

# --- today -------------------------------------------------------------------------------------

mount_modern() {
    local dir=$BOOTMNT/$archisobasedir/$arch file=airootfs.sfs
    [ -e "$dir/$file" ] || file=airootfs.erofs
    [ -e "$dir/$file" ] || stop "no airootfs.sfs in $archisobasedir/$arch"
    [ "$copytoram" != auto ] || auto_copytoram "$dir/$file"
    pause_as_slow_machines_do
    check_modern "$dir" "$file"
    if [ "$copytoram" = y ]; then
        copy_to_ram "$dir/$file"
        dir=/run/archiso/copytoram
    fi
    mkdir -p /run/archiso/airootfs
    mount -o ro,loop "$dir/$file" /run/archiso/airootfs || stop "cannot mount $file"
    mount_overlay /run/archiso/airootfs
}

# Only an image of less than 4 GiB with 2 GiB to spare is copied without being asked.
auto_copytoram() {
    local bytes free
    bytes=$(stat -c %s "$1")
    free=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
    copytoram=n
    case $archisodevice in /dev/sr*) return 0 ;; esac
    [ $((bytes >> 20)) -lt 4096 ] && [ "$free" -gt $(((bytes >> 10) + 2097152)) ] && copytoram=y
    return 0
}

check_modern() {
    if [ "$checksum" = y ]; then
        say "checksum: sha512"
        (cd "$1" && sha512sum -c airootfs.sha512) || stop "checksum: airootfs.sha512 does not match"
        checksum_state=ok
    fi
    [ "$verify" = y ] && stop "verify: no gpg home directory in this initramfs"
    [ "$cms_verify" = y ] || return 0
    [ -e "$1/$2.cms.sig" ] || stop "cms_verify: $2.cms.sig is not on the medium"
    [ -e /codesign.crt ] || stop "cms_verify: no /codesign.crt in this initramfs"
    say "cms_verify: $2"
    openssl cms -verify -binary -noattr -nointern -purpose any -in "$1/$2.cms.sig" \
        -content "$1/$2" -inform DER -out /dev/null -certfile /codesign.crt -CAfile /codesign.crt ||
        stop "cms_verify: the signature of $2 does not match"
    cms_state=ok
}

copy_to_ram() {
    mkdir -p /run/archiso/copytoram
    mount -t tmpfs -o "mode=0755,size=${copytoram_size:-75%}" copytoram /run/archiso/copytoram
    say "copying ${1##*/} to RAM"
    cp "$1" /run/archiso/copytoram/ || stop "copytoram: no room for ${1##*/}"
    umount "$BOOTMNT"
}

mount_overlay() {
    mkdir -p /run/archiso/cowspace
    mount -t tmpfs -o "mode=0755,size=${cow_spacesize:-256M}" cowspace /run/archiso/cowspace
    mkdir -p /run/archiso/cowspace/upper /run/archiso/cowspace/work
    mount -t overlay -o "lowerdir=$1,upperdir=/run/archiso/cowspace/upper,workdir=/run/archiso/cowspace/work" \
        airootfs "$ROOT" || stop "cannot mount the overlay"
}

# --- 2013 --------------------------------------------------------------------------------------

# read_aitab DO: calls DO with the columns of every row for this architecture.
read_aitab() {
    local img mnt row_arch comp fs size base=$BOOTMNT
    mounted "$BOOTMNT" || base=$HTTPSPACE
    while read -r img mnt row_arch comp fs size; do
        case $img in '' | \#*) continue ;; esac
        [ "$row_arch" = "$arch" ] || [ "$row_arch" = any ] || continue
        "$1" "$img" "$mnt" "$row_arch" "$comp" "$fs" "$size" </dev/null
    done <"$base/$archisobasedir/aitab"
}

check_2013() {
    [ "$copytoram" != auto ] || copytoram=n
    [ "$checksum" = y ] || return 0
    say "checksum: md5"
    (cd "$BOOTMNT/$archisobasedir" && md5sum -c "checksum.$arch.md5") ||
        stop "checksum: checksum.$arch.md5 does not match"
    checksum_state=ok
}

# An image of 2013 is a squashfs that holds one ext4 file system. (archiso put a dm-snapshot over
# it; an overlay serves the same end.)
mount_row() {
    local file=$BOOTMNT/$archisobasedir/$3/$1.fs.sfs
    [ "$2" = / ] || stop "aitab: only / is known here, not $2"
    if [ "$copytoram" = y ]; then
        copy_to_ram "$file"
        file=/run/archiso/copytoram/${file##*/}
    fi
    modprobe -q ext4 2>/dev/null
    mkdir -p "/run/archiso/sfs/$1" "/run/archiso/fs/$1"
    mount -o ro,loop "$file" "/run/archiso/sfs/$1" || stop "cannot mount $1.fs.sfs"
    mount -t ext4 -o ro,loop "/run/archiso/sfs/$1/$1.fs" "/run/archiso/fs/$1" || stop "cannot mount $1.fs"
    mount_overlay "/run/archiso/fs/$1"
}
