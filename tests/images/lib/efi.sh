# shellcheck shell=bash
# Media for machines with UEFI: an EFI boot image, 64-bit ARM, and Debian's netboot installer.

efi_packages() {
    arch_packages
    echo systemd-boot-efi:amd64
}

# add_efi_image TREE: the file system El Torito offers to UEFI, with systemd-boot and, because
# firmware reads no ISO 9660, a second copy of kernel and initramfs, as on the real medium. The
# root is found by the volume's UUID.
add_efi_image() {
    local debian=$WORK/efi boot=$1/arch/boot/x86_64 image=$1/efiboot.img
    fetch_packages "$debian" systemd-boot-efi:amd64
    printf 'timeout 0\n' >"$WORK/loader.conf"
    printf 'title Arch Linux\nlinux /vmlinuz-linux\ninitrd /initramfs-linux.img\noptions %s\n' \
        "archisobasedir=arch archisosearchuuid=$VOLUME_UUID console=ttyS0 lanboot_test=poweroff" >"$WORK/01-arch.conf"
    truncate -s $(((($(stat -c %s "$boot/vmlinuz-linux") + $(stat -c %s "$boot/initramfs-linux.img")) / 1048576 + 8) * 1048576)) "$image"
    mformat -i "$image" -N 4c414e42 -v ARCHISO_EFI ::
    mmd -i "$image" ::/EFI ::/EFI/BOOT ::/loader ::/loader/entries
    mcopy -i "$image" "$debian/usr/lib/systemd/boot/efi/systemd-bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$image" "$WORK/loader.conf" ::/loader/
    mcopy -i "$image" "$WORK/01-arch.conf" ::/loader/entries/
    mcopy -i "$image" "$boot/vmlinuz-linux" "$boot/initramfs-linux.img" ::/
}

# build_arm64 FILE: today's layout for a processor PXELINUX does not know; no loader on it.
build_arm64() {
    local system tree=$WORK/medium boot root
    system=$(system arm64)
    make_signing_key
    mkdir -p "$tree"/{arch/aarch64,arch/boot/aarch64,boot}
    boot=$tree/arch/boot/aarch64
    cp "$system/vmlinuz" "$boot/vmlinuz-linux"
    make_initramfs "$system" modern zstd -12 -q -c >"$boot/initramfs-linux.img"
    root=$(make_root "$system" arch-arm64)
    squash "$root" "$tree/arch/aarch64/airootfs.sfs" -comp zstd -b 256K
    (cd "$tree/arch/aarch64" && sha512sum airootfs.sfs >airootfs.sha512)
    sign "$tree/arch/aarch64/airootfs.sfs"
    : >"$tree/boot/$VOLUME_UUID.uuid"
    one_date "$tree"
    write_iso "$1" -volid ARCH_202611 -joliet on -map "$tree" /
}
