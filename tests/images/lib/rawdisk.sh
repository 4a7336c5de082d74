# shellcheck shell=bash
# Images of drives, as they are written to a USB stick.
#
# image: raw-disk           a drive with an MBR: GRUB in it for BIOS, and an EFI system partition with GRUB

# shellcheck disable=SC2034  # read by build
rawdisk_SOURCES=(lib/kinds.sh)

rawdisk_packages() { kinds_packages unknown; }

# rawdisk_build NAME FILE: GRUB for BIOS lies between the table and the first partition, at 1 MiB. Both say
# whether they see the file in the partition.
rawdisk_build() {
    local debian=$WORK/grub disk=$2 mib=1048576
    local grub=$debian/usr/lib/grub/i386-pc
    fetch_packages "$debian" "${KINDS_GRUB[@]}"
    mkdir -p "$WORK/memdisk/boot/grub"
    unknown_script >"$WORK/memdisk/boot/grub/grub.cfg"
    one_date "$WORK/memdisk"
    tar -C "$WORK/memdisk" --sort=name --owner=0 --group=0 -cf "$WORK/memdisk.tar" boot
    grub_image "$debian" i386-pc i386-pc "$WORK/core.img" biosdisk
    grub_image "$debian" x86_64-efi x86_64-efi "$WORK/BOOTX64.EFI"
    (($(stat -c %s "$WORK/core.img") < mib - 512)) || {
        echo "GRUB does not fit before the first partition" >&2
        return 1
    }
    truncate -s $((24 * mib)) "$disk"
    printf 'label: dos\nlabel-id: 0x4c414e42\nstart=2048, type=ef, bootable\n' | sfdisk -q "$disk"
    # boot.img loads the second sector, which loads the rest behind it.
    dd if="$grub/boot.img" of="$disk" bs=1 count=440 conv=notrunc status=none
    dd if="$WORK/core.img" of="$disk" bs=512 seek=1 conv=notrunc status=none
    echo "unknown medium: this text is a file on it" >"$WORK/mark"
    mformat -i "$disk@@$mib" -T $((23 * 2048)) -h 64 -s 32 -N 4c414e42 -v RAWDISK ::
    mmd -i "$disk@@$mib" ::/EFI ::/EFI/BOOT ::/data
    mcopy -i "$disk@@$mib" "$WORK/BOOTX64.EFI" ::/EFI/BOOT/
    mcopy -i "$disk@@$mib" "$WORK/mark" ::/data/mark
}
