# shellcheck shell=bash
# Media that start by other things than a Linux kernel with an initramfs.
#
# image: unknown            a medium of no known family: GRUB for BIOS and UEFI, which says whether it sees the medium
# image: xen                Xen with Debian's kernel as its first domain, started by a GRUB menu with multiboot2

# shellcheck disable=SC2034  # read by build
kinds_SOURCES=(lib/system.sh)

KINDS_GRUB=(grub-common:amd64 grub-pc-bin:amd64 grub-efi-amd64-bin:amd64)
KINDS_XEN=(xen-hypervisor-4.17-amd64:amd64)

kinds_packages() {
    case $1 in
    xen) printf '%s\n' "${KINDS_XEN[@]}" && system_packages amd64 ;;
    *) printf '%s\n' "${KINDS_GRUB[@]}" ;;
    esac
}

# kinds_build NAME FILE
kinds_build() {
    case $1 in
    xen) build_xen "$2" ;;
    *) build_unknown "$2" ;;
    esac
}

# build_unknown FILE: the program in EFI/BOOT is the one in the EFI boot image.
build_unknown() {
    local tree=$WORK/medium debian=$WORK/grub
    fetch_packages "$debian" "${KINDS_GRUB[@]}"
    mkdir -p "$tree"/{EFI/BOOT,boot,data} "$WORK/memdisk/boot/grub"
    echo "unknown medium: this text is a file on it" >"$tree/data/mark"
    unknown_script >"$WORK/memdisk/boot/grub/grub.cfg"
    one_date "$WORK/memdisk"
    tar -C "$WORK/memdisk" --sort=name --owner=0 --group=0 -cf "$WORK/memdisk.tar" boot
    grub_image "$debian" i386-pc-eltorito i386-pc "$tree/boot/eltorito.img" biosdisk
    grub_image "$debian" x86_64-efi x86_64-efi "$tree/EFI/BOOT/BOOTX64.EFI"
    truncate -s 4M "$tree/boot/efi.img"
    mformat -i "$tree/boot/efi.img" -N 4c414e42 -v UNKNOWN ::
    mmd -i "$tree/boot/efi.img" ::/EFI ::/EFI/BOOT
    mcopy -i "$tree/boot/efi.img" "$tree/EFI/BOOT/BOOTX64.EFI" ::/EFI/BOOT/
    one_date "$tree"
    write_iso "$1" -volid UNKNOWN_MEDIUM -joliet on -map "$tree" / \
        -boot_image any bin_path=/boot/eltorito.img -boot_image any cat_path=/boot.catalog \
        -boot_image any boot_info_table=on -boot_image any load_size=2048 \
        -boot_image any next -boot_image any efi_path=/boot/efi.img
}

# unknown_script: what GRUB runs. OVMF shows its console on the serial line, a BIOS does not.
unknown_script() {
    cat <<'END'
if [ "$grub_platform" = "pc" ]; then
    serial --unit=0 --speed=115200
    terminal_output serial
fi
if search --no-floppy --set=medium --file /data/mark; then
    echo "lanboot-test: $grub_platform sees the medium"
    cat ($medium)/data/mark
else
    echo "lanboot-test: $grub_platform does not see the medium"
fi
# It waits for a key.
read
END
}

# grub_image DEBIAN FORMAT FOLDER FILE MODULE…: GRUB with its script inside.
grub_image() {
    local debian=$1 format=$2 folder=$3 file=$4
    shift 4
    "$debian/usr/bin/grub-mkimage" --directory "$debian/usr/lib/grub/$folder" --format "$format" \
        --prefix '(memdisk)/boot/grub' --memdisk "$WORK/memdisk.tar" --output "$file" \
        memdisk tar normal iso9660 fat part_gpt part_msdos serial terminal search search_fs_file \
        echo cat read test "$@"
}

# build_xen FILE: the words "placeholder" are those of Debian's 20_linux_xen.
build_xen() {
    local system tree=$WORK/medium debian=$WORK/xen
    system=$(system amd64)
    fetch_packages "$debian" "${KINDS_XEN[@]}"
    mkdir -p "$tree/boot/grub" "$WORK/initrd"
    cp "$debian"/boot/xen-*-amd64.gz "$tree/boot/xen.gz"
    cp "$system/vmlinuz" "$tree/boot/vmlinuz"
    echo "not a system" >"$WORK/initrd/README"
    pack_cpio "$WORK/initrd" >"$tree/boot/initrd.img"
    cat >"$tree/boot/grub/grub.cfg" <<'END'
menuentry 'Debian GNU/Linux, with Xen hypervisor' --class xen {
    multiboot2 /boot/xen.gz placeholder console=com1 com1=115200,8n1 dom0_mem=256M
    module2 /boot/vmlinuz placeholder console=hvc0 panic=-1
    module2 --nounzip /boot/initrd.img
}
END
    one_date "$tree"
    write_iso "$1" -volid XEN_TEST -joliet on -map "$tree" /
}
