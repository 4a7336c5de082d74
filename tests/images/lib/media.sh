# shellcheck shell=bash
# Media as other makers build them.

# build_uefi_only FILE: an archiso medium of the boot modes uefi.systemd-boot: no SYSLINUX, two
# kernels with an initramfs and arguments each, microcode in files of its own. Both kernels are the
# same bytes; each initramfs says which one it is.
build_uefi_only() {
    local system tree=$CACHE/work/medium boot root name
    system=$(system amd64)
    make_signing_key
    mkdir -p "$tree"/{arch/x86_64,arch/boot/x86_64,boot,loader/entries}
    boot=$tree/arch/boot/x86_64
    for name in linux linux-lts; do
        cp "$system/vmlinuz" "$boot/vmlinuz-$name"
        INITRAMFS_MARK=$name make_initramfs "$system" modern zstd -12 -q -c >"$boot/initramfs-$name.img"
    done
    microcode_archive >"$tree/arch/boot/intel-ucode.img"
    root=$(make_root "$system" arch-uefi-only)
    squash "$root" "$tree/arch/x86_64/airootfs.sfs" -comp zstd -b 256K
    (cd "$tree/arch/x86_64" && sha512sum airootfs.sfs >airootfs.sha512)
    package_list amd64 >"$tree/arch/pkglist.x86_64.txt"
    : >"$tree/boot/$VOLUME_UUID.uuid"
    printf 'timeout 15\ndefault 02-*\n' >"$tree/loader/loader.conf"
    uefi_entry 01 linux cow_spacesize=128M >"$tree/loader/entries/01-arch-linux.conf"
    uefi_entry 02 linux-lts cow_spacesize=200M >"$tree/loader/entries/02-arch-linux-lts.conf"
    uefi_entry 03 linux-lts accessibility=on >"$tree/loader/entries/03-arch-speech.conf"
    one_date "$tree"
    write_iso "$1" -volid ARCH_202611 -joliet on -map "$tree" /
}

# uefi_entry NUMBER KERNEL ARGUMENT: one entry of systemd-boot's menu.
uefi_entry() {
    printf 'title Test image %s\nsort-key %s\nlinux /arch/boot/x86_64/vmlinuz-%s\n' "$2" "$1" "$2"
    printf 'initrd /arch/boot/intel-ucode.img\ninitrd /arch/boot/x86_64/initramfs-%s.img\n' "$2"
    printf 'options archisobasedir=arch archisosearchuuid=%s %s\n' "$VOLUME_UUID" "$3"
}

# An unpacked archive with one file where the kernel looks for microcode. It holds none.
microcode_archive() {
    local tree=$CACHE/work/microcode
    mkdir -p "$tree/kernel/x86/microcode"
    echo "no microcode" >"$tree/kernel/x86/microcode/README"
    pack_cpio "$tree"
}
