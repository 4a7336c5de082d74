# shellcheck shell=bash
# archiso media, as their makers build them.
#
# image: arch                today's Arch layout: airootfs.sfs, boot/syslinux, Rock Ridge and Joliet
# image: arch-2013           the 2013 dual layout: aitab, root-image.fs.sfs, i686 beside x86_64
# image: arch-big-initramfs  as arch, with an initramfs over 100 MB
# image: arch-big-root       as arch, unsigned, with 100 MB in the root file system
# image: arch-arm64          as arch, for 64-bit ARM
# image: arch-clients        as arch; with lanboot_test=clients it tries the kernel's NFS and NBD clients
# image: arch-efi            as arch, with an EFI boot image as on the real medium (systemd-boot)
# image: arch-uefi-only      as arch, unsigned, for systemd-boot only, with two kernels and microcode files
# image: arch-huge-file      as arch, unsigned, with a sparse file over 4 GiB (the image is sparse too)

# shellcheck disable=SC2034  # read by build
media_SOURCES=(lib/system.sh lib/efi.sh lib/udp.sh initramfs rootfs syslinux syslinux-2013 busybox-programs)

media_packages() {
    case $1 in
    arch-2013) dual_packages ;;
    arch-clients) clients_packages ;;
    arch-arm64) system_packages arm64 ;;
    arch-efi) efi_packages ;;
    *) arch_packages ;;
    esac
}

media_build() {
    case $1 in
    arch-2013) build_dual "$2" ;;
    arch-arm64) build_arm64 "$2" ;;
    arch-uefi-only) build_uefi_only "$2" ;;
    *) build_arch "$1" "$2" ;;
    esac
}

# build_uefi_only FILE: an archiso medium of the boot modes uefi.systemd-boot: no SYSLINUX, two
# kernels with an initramfs and arguments each, microcode in files of its own. Both kernels are the
# same bytes; each initramfs says which one it is.
build_uefi_only() {
    local system tree=$WORK/medium boot root name
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
    local tree=$WORK/microcode
    mkdir -p "$tree/kernel/x86/microcode"
    echo "no microcode" >"$tree/kernel/x86/microcode/README"
    pack_cpio "$tree"
}
