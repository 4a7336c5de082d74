# shellcheck shell=bash
# Debian's installer, as Debian's packages have it.
#
# image: debian              Debian's netboot installer for PCs: its signed shim, GRUB and kernel
# image: debian-arm64        the same for 64-bit ARM
# image: debian-bare         debian without its shim and GRUB: others have to start its signed kernel
# image: debian-shim         debian without its GRUB: what starts its kernel may use its shim

# shellcheck disable=SC2034  # read by build
installer_SOURCES=()

# The installer's packages hold the whole tree that Debian publishes for network booting.
installer_packages() {
    case $1 in
    debian | debian-bare | debian-shim) echo debian-installer-12-netboot-amd64:all ;;
    debian-arm64) echo debian-installer-12-netboot-arm64:all ;;
    esac
}

# installer_build NAME FILE: that tree on a medium, links and all.
installer_build() {
    local debian=$WORK/installer tree
    fetch_packages "$debian" "$(installer_packages "$1")"
    tree=$(echo "$debian"/usr/lib/debian-installer/images/*/*/text)
    case $1 in
    debian-bare) find "$tree" -name '*.efi' -delete ;;
    debian-shim) find "$tree" -name 'grub*.efi' -delete ;;
    esac
    one_date "$tree"
    write_iso "$2" -volid "DEBIAN_NETBOOT" -joliet on -map "$tree" /
}
