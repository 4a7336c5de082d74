# shellcheck shell=bash
# Media whose EFI program is only inside their boot image, as grub-mkrescue makes them.
#
# image: rescue             grub-mkrescue's layout with a menu: GRUB for BIOS and UEFI, the latter only in efi.img

# shellcheck disable=SC2034  # read by build
programs_SOURCES=(lib/kinds.sh)

PROGRAMS_GRUB=(grub-common:amd64 grub-pc-bin:amd64 grub-efi-amd64-bin:amd64 grub-efi-ia32-bin:amd64)

programs_packages() { printf '%s\n' "${PROGRAMS_GRUB[@]}"; }

# programs_build NAME FILE: each GRUB looks for its medium and reads the menu there, as grub-mkrescue's do.
programs_build() {
    local tree=$WORK/medium debian=$WORK/grub file
    fetch_packages "$debian" "${PROGRAMS_GRUB[@]}"
    mkdir -p "$tree/boot/grub" "$tree/.disk" "$WORK/memdisk/boot/grub" "$WORK/efi"
    echo "by this GRUB finds its medium" >"$tree/.disk/rescue.mark"
    rescue_menu >"$tree/boot/grub/grub.cfg"
    rescue_search >"$WORK/memdisk/boot/grub/grub.cfg"
    one_date "$WORK/memdisk"
    tar -C "$WORK/memdisk" --sort=name --owner=0 --group=0 -cf "$WORK/memdisk.tar" boot
    grub_image "$debian" i386-pc-eltorito i386-pc "$tree/boot/grub/eltorito.img" biosdisk configfile
    grub_image "$debian" x86_64-efi x86_64-efi "$WORK/efi/BOOTX64.EFI" configfile
    grub_image "$debian" i386-efi i386-efi "$WORK/efi/BOOTIA32.EFI" configfile
    truncate -s 6M "$tree/efi.img"
    mformat -i "$tree/efi.img" -N 4c414e43 -v RESCUE ::
    mmd -i "$tree/efi.img" ::/EFI ::/EFI/BOOT
    for file in BOOTX64.EFI BOOTIA32.EFI; do
        touch --date=@"$SOURCE_DATE_EPOCH" "$WORK/efi/$file"
        mcopy -m -i "$tree/efi.img" "$WORK/efi/$file" ::/EFI/BOOT/
    done
    one_date "$tree"
    write_iso "$2" -volid RESCUE -joliet on -map "$tree" / \
        -boot_image any bin_path=/boot/grub/eltorito.img -boot_image any cat_path=/boot.catalog \
        -boot_image any boot_info_table=on -boot_image any load_size=2048 \
        -boot_image any next -boot_image any efi_path=/efi.img
}

# rescue_search: what GRUB runs first. OVMF shows its console on the serial line, a BIOS does not.
rescue_search() {
    cat <<'END2'
if [ "$grub_platform" = "pc" ]; then
    serial --unit=0 --speed=115200
    terminal_output serial
fi
echo "lanboot-test: GRUB for $grub_cpu-$grub_platform"
if search --no-floppy --set=root --file /.disk/rescue.mark; then
    configfile ($root)/boot/grub/grub.cfg
fi
echo "lanboot-test: without its menu"
read
END2
}

rescue_menu() {
    cat <<'END2'
set timeout=1
menuentry "Rescue: say it" {
    echo "lanboot-test: the menu of the rescue medium"
    read
}
END2
}
