# shellcheck shell=bash
# Media whose own file system is the root: a Debian system written to an ISO 9660 with Rock Ridge, file by
# file, with dracut's initramfs and menus that name the root by the label or number of the volume.
#
# image: medium-root-12      a Debian 12 whose root is the medium, with dracut 059: dracut-network, nbd, nfs
# image: medium-root-sid     the same with sid's packages: dracut 112

# shellcheck disable=SC2034  # read by build
medium_root_SOURCES=(lib/dracut.sh lib/dracut_sid.sh lib/system.sh lib/live.sh live medium_root)

medium_root_packages() {
    case $1 in
    *-sid) dracut_sid_packages ;;
    *) dracut_packages ;;
    esac
}

# medium_root_build NAME FILE
medium_root_build() {
    case $1 in
    *-sid) in_suite sid medium_root_of_sid "$@" ;;
    *)
        DRACUT_MODULES="network-legacy nfs nbd overlay-root"
        medium_root_medium "$@"
        ;;
    esac
}

medium_root_of_sid() {
    DRACUT_SYSTEM=(dracut-core dracut-network systemd-sysv udev kmod iproute2 zstd nfs-common rpcbind netbase nbd-client)
    DRACUT_MODULES="systemd-networkd nfs nbd overlayfs"
    medium_root_medium "$@"
}

medium_root_medium() {
    local name=$1 file=$2 tree=$WORK/medium makers=$WORK/makers root=$WORK/root
    fetch_packages "$makers" "${DRACUT_MAKERS[@]}"
    mkdir -p "$tree"/{isolinux,boot/grub}
    dracut_system "$makers" "$root"
    live_payload "$root" "$name"
    install -m 755 "$HERE/medium_root/report" "$root/usr/lib/lanboot/report"
    medium_root_menus "$tree"
    leave_out "$root"
    cp "$makers/usr/lib/ISOLINUX/isolinux.bin" "$makers"/usr/lib/syslinux/modules/bios/{ldlinux,libcom32,libutil,menu}.c32 "$tree/isolinux/"
    # The system mounts its own.
    rm -rf "${root:?}"/{dev,proc,sys,run,tmp}/*
    one_date "$root"
    one_date "$tree"
    write_iso "$file" -volid LANBOOT-ROOT -map "$root" / -map "$tree" / \
        -boot_image isolinux bin_path=/isolinux/isolinux.bin \
        -boot_image isolinux cat_path=/isolinux/boot.cat \
        -boot_image isolinux system_area="$makers/usr/lib/ISOLINUX/isohdpfx.bin" \
        -boot_image any partition_offset=16
}

# medium_root_menus TREE: as grub-mkconfig and people write them. The volume's number is its date.
medium_root_menus() {
    local tree=$1 uuid
    uuid=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%d-%H-%M-%S-00)
    cat >"$tree/isolinux/isolinux.cfg" <<END
default linux
timeout 100
ui menu.c32

label linux
  menu label Debian from its medium
  kernel vmlinuz
  append initrd=initrd.img root=LABEL=LANBOOT-ROOT ro quiet

label emergency
  menu label Debian from its medium (emergency mode)
  kernel vmlinuz
  append initrd=initrd.img root=LABEL=LANBOOT-ROOT ro systemd.unit=emergency.target
END
    cat >"$tree/boot/grub/grub.cfg" <<END
set default=0
set timeout=10
search --no-floppy --fs-uuid --set=root $uuid
menuentry 'Debian from its medium' --class debian {
	linux /isolinux/vmlinuz root=UUID=$uuid ro quiet
	initrd /isolinux/initrd.img
}
END
}
