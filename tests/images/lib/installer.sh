# shellcheck shell=bash
# Debian's installer, as Debian's packages have it.
#
# image: debian              Debian 12's netboot installer for PCs: its signed shim, GRUB and kernel
# image: debian-arm64        the same for 64-bit ARM
# image: debian-i386         the same for 32-bit PCs
# image: debian-bare         debian without its shim and GRUB: others have to start its signed kernel
# image: debian-shim         debian without its GRUB: what starts its kernel may use its shim
# image: debian-pc           Debian 12's for PCs of 64 and of 32 bits on one medium
# image: debian-13           Debian 13's netboot installer for PCs: its signed shim, GRUB and kernel
# image: debian-13-arm64     the same for 64-bit ARM
# image: debian-13-riscv64   the same for 64-bit RISC-V: nothing of it is signed

# shellcheck disable=SC2034  # read by build
installer_SOURCES=()

# The suite whose packages an image holds.
installer_suite() {
    case $1 in
    debian-13*) echo trixie ;;
    *) echo bookworm ;;
    esac
}

# The processors an image is for, as Debian names them.
installer_archs() {
    case $1 in
    debian-pc) echo amd64 i386 ;;
    debian-i386) echo i386 ;;
    *-arm64) echo arm64 ;;
    *-riscv64) echo riscv64 ;;
    *) echo amd64 ;;
    esac
}

# The installer's packages hold the whole tree that Debian publishes for network booting.
installer_packages() {
    local suite arch prefix=debian-installer-12-netboot
    suite=$(installer_suite "$1")
    if [[ $suite == trixie ]]; then
        in_suite trixie true
        prefix=trixie/debian-installer-13-netboot
    fi
    for arch in $(installer_archs "$1"); do echo "$prefix-$arch:all"; done
}

# installer_build NAME FILE: that tree on a medium, links and all.
installer_build() {
    local debian=$WORK/installer tree=$WORK/tree suite packages text
    suite=$(installer_suite "$1")
    mapfile -t packages < <(installer_packages "$1")
    in_suite "$suite" fetch_packages "$debian" "${packages[@]#*/}"
    mkdir "$tree"
    for text in "$debian"/usr/lib/debian-installer/images/*/*/text; do cp -a "$text/." "$tree"; done
    case $1 in
    debian-bare) find "$tree" -name '*.efi' -delete ;;
    debian-shim) find "$tree" -name 'grub*.efi' -delete ;;
    esac
    one_date "$tree"
    write_iso "$2" -volid "DEBIAN_NETBOOT" -joliet on -map "$tree" /
}
