# shellcheck shell=bash
# The live medium of dracut.sh with the packages of Debian sid: dracut 112, which has the network
# configured by systemd-networkd, and the root in an EROFS, as Fedora has since release 42.
#
# image: dracut-live-sid     dracut-live-12 with sid's packages and an EROFS root

# shellcheck disable=SC2034  # read by build
dracut_sid_SOURCES=(lib/dracut.sh lib/system.sh lib/live.sh live dracut)

dracut_sid_packages() {
    in_suite sid dracut_sid_keyed | sed 's|^|sid/|'
}

dracut_sid_keyed() {
    printf '%s\n' "${DRACUT_MAKERS[@]}" dracut-core:amd64 dracut-network:amd64 "$(kernel_package linux-image-amd64:amd64)"
}

# dracut_sid_build NAME FILE
dracut_sid_build() { in_suite sid dracut_sid_medium "$@"; }

dracut_sid_medium() {
    DRACUT_SYSTEM=(dracut-core dracut-network systemd-sysv udev kmod iproute2 zstd curl dmsetup
        nfs-common rpcbind netbase nbd-client erofs-utils)
    DRACUT_MODULES="systemd-networkd livenet dmsquash-live nfs nbd"
    DRACUT_DRIVERS+=" erofs"
    dracut_roots() { dracut_sid_root "$@"; }
    dracut_build "$@"
}

# dracut_sid_root ROOT TREE: the system in an EROFS. The name is still that of a squashfs.
dracut_sid_root() {
    leave_out "$1"
    # shellcheck disable=SC2016  # the inner shell's
    unshare --mount sh -c 'mount --bind "$2" "$1/mnt" && mkdir -p "$1/tmp/root" && mount --bind "$1" "$1/tmp/root" &&
        chroot "$1" mkfs.erofs --quiet -zlz4hc -T "$3" /mnt/LiveOS/squashfs.img /tmp/root' \
        _ "$1" "$2" "$SOURCE_DATE_EPOCH"
}
