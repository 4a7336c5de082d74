# shellcheck shell=bash
# Live media as Fedora's are: a Debian system with dracut's own initramfs in lorax' layout, with its
# menus. A build takes three to eight minutes and needs root: mmdebstrap installs a system of some 150
# packages.
#
# image: dracut-live-12      a live Debian 12 with dracut 059: two roots, one the system, one its file system

# shellcheck disable=SC2034  # read by build
dracut_SOURCES=(lib/system.sh lib/live.sh live dracut)

# What the system holds besides the essential packages. dracut 059 configures the network by scripts that need
# pgrep and dhclient; mount.nfs needs the list of protocols in netbase.
DRACUT_SYSTEM=(dracut-core dracut-network dracut-live systemd-sysv udev kmod iproute2 zstd curl dmsetup
    nfs-common rpcbind netbase nbd-client procps isc-dhcp-client)

# The modules of dracut in its initramfs, and drivers besides those that they take.
DRACUT_MODULES="network-legacy livenet dmsquash-live nfs nbd"
DRACUT_DRIVERS="virtio_net virtio_pci overlay squashfs loop isofs"

# What makes the medium: it is unpacked, not installed.
DRACUT_MAKERS=(mmdebstrap:all isolinux:all syslinux-common:all)

dracut_packages() {
    printf '%s\n' "${DRACUT_MAKERS[@]}" dracut-core:amd64 dracut-live:amd64 dracut-network:amd64 \
        "$(kernel_package linux-image-amd64:amd64)"
}

# dracut_build NAME FILE
dracut_build() {
    local name=$1 tree=$WORK/medium makers=$WORK/makers root=$WORK/live
    fetch_packages "$makers" "${DRACUT_MAKERS[@]}"
    mkdir -p "$tree"/{LiveOS,isolinux,images/pxeboot,EFI/BOOT,boot/grub2}
    dracut_system "$makers" "$root"
    live_payload "$root" "$name"
    install -m 755 "$HERE/dracut/report" "$root/usr/lib/lanboot/report"
    dracut_roots "$root" "$tree"
    # Both names are one file, as on lorax' media.
    ln "$tree"/isolinux/{vmlinuz,initrd.img} "$tree/images/pxeboot/"
    dracut_menus "$tree"
    cp "$makers/usr/lib/ISOLINUX/isolinux.bin" "$makers"/usr/lib/syslinux/modules/bios/{ldlinux,libcom32,libutil,vesamenu}.c32 "$tree/isolinux/"
    one_date "$tree"
    write_iso "$2" -volid LANBOOT-DRACUT-1 -joliet on -map "$tree" / \
        -boot_image isolinux bin_path=/isolinux/isolinux.bin \
        -boot_image isolinux cat_path=/isolinux/boot.cat \
        -boot_image isolinux system_area="$makers/usr/lib/ISOLINUX/isohdpfx.bin" \
        -boot_image any partition_offset=16
}

# dracut_system MAKERS ROOT: the system, with a kernel and an initramfs in `isolinux`. The
# kernel is unpacked, not installed: its package would build an initramfs of its own.
dracut_system() {
    local makers=$1 root=$2 options=$WORK/apt.conf kernel=$WORK/kernel version modules packages
    grep '^Acquire' "$CACHE/apt/apt.conf" >"$options"
    PATH=$makers/usr/bin:$PATH TMPDIR=$WORK mmdebstrap --quiet --variant=minbase \
        --format=directory --skip=check/qemu --include="$(IFS=,; echo "${DRACUT_SYSTEM[*]}")" \
        --aptopt="$options" --aptopt='APT::Sandbox::User "root"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$DEBIAN_SUITE" "$root" "$(cat "$CACHE/apt/sources.list")" 2>"$WORK/mmdebstrap.log" || {
        tail -n 20 "$WORK/mmdebstrap.log" >&2
        fail "mmdebstrap failed"
    }
    mapfile -t packages < <(dracut_kernel)
    fetch_packages "$kernel" "${packages[@]}"
    modules=$(find "$kernel" -path '*/lib/modules/*/kernel' -prune -printf '%h')
    version=${modules##*/}
    mkdir -p "$root/usr/lib/modules"
    cp -a "$modules" "$root/usr/lib/modules/"
    # Debian 12 has it in `boot`, sid beside the modules.
    cp "$(find "$kernel" -type f -name 'vmlinuz*')" "$WORK/medium/isolinux/vmlinuz"
    dracut_initramfs "$root" "$version"
    mv "$root/initrd.img" "$WORK/medium/isolinux/initrd.img"
}

# dracut_kernel: the packages of the kernel. Since 7.2 its own only names those with the files.
dracut_kernel() {
    local package
    package=$(kernel_package linux-image-amd64:amd64)
    echo "$package"
    private_apt apt-cache depends "$package" |
        awk '$1 == "Depends:" && $2 ~ /^linux-(base|binary|modules)-/ {print $2 ":amd64"}'
}

# dracut_initramfs ROOT VERSION: what lorax' live media are built with, and the network's modules.
dracut_initramfs() {
    local root=$1 version=$2
    # shellcheck disable=SC2016  # the inner shell's
    unshare --mount sh -c 'mount -t proc proc "$1/proc" && mount --rbind /dev "$1/dev" &&
        chroot "$1" depmod "$2" && chroot "$1" dracut --force --no-hostonly --no-hostonly-cmdline \
            --no-early-microcode --kver "$2" --add "$3" --add-drivers "$4" --zstd /initrd.img' \
        _ "$root" "$version" "$DRACUT_MODULES" "$DRACUT_DRIVERS" >"$WORK/dracut.log" 2>&1 || {
        tail -n 20 "$WORK/dracut.log" >&2
        fail "dracut failed"
    }
}

# leave_out ROOT: removes what a test boots without.
leave_out() (
    cd "$1" || exit
    # shellcheck disable=SC2086  # patterns
    for pattern in "${LIVE_LEFT_OUT[@]}"; do rm -rf $pattern; done
)

# dracut_roots ROOT TREE: the system as it is, and as a file system of its own as in Fedora up to
# release 39.
dracut_roots() {
    local inner=$WORK/inner
    one_date "$1"
    squash "$1" "$2/LiveOS/plain.img" -comp zstd -Xcompression-level 3 -no-xattrs -wildcards -e "${LIVE_LEFT_OUT[@]}"
    mkdir -p "$inner/LiveOS"
    leave_out "$1"
    mke2fs -q -t ext4 -O ^has_journal -L rootfs -m 0 -d "$1" "$inner/LiveOS/rootfs.img" 1200M >/dev/null
    one_date "$inner"
    squash "$inner" "$2/LiveOS/squashfs.img" -comp zstd -Xcompression-level 3 -no-xattrs
}

# dracut_menus TREE: lorax' templates for live media (live/config_files/x86), filled in.
dracut_menus() {
    local tree=$1 root=root=live:CDLABEL=LANBOOT-DRACUT-1 product="Lanboot Live"
    cat >"$tree/isolinux/isolinux.cfg" <<END
default vesamenu.c32
timeout 600
menu title $product

label linux
  menu label ^Start $product
  kernel vmlinuz
  append initrd=initrd.img $root rd.live.image quiet

label check
  menu label Test this ^media & start $product
  menu default
  kernel vmlinuz
  append initrd=initrd.img $root rd.live.image rd.live.check quiet

menu begin ^Troubleshooting
label basic
  menu label Start using ^basic graphics mode
  kernel vmlinuz
  append initrd=initrd.img $root rd.live.image nomodeset quiet
menu end
END
    cat >"$tree/EFI/BOOT/grub.cfg" <<END
set default="1"

function load_video {
  insmod all_video
}

load_video
set gfxpayload=keep
set timeout=60
search --no-floppy --set=root -l 'LANBOOT-DRACUT-1'

menuentry 'Start $product' --class fedora --class gnu-linux --class gnu --class os {
	linux /images/pxeboot/vmlinuz $root rd.live.image quiet
	initrd /images/pxeboot/initrd.img
}
menuentry 'Test this media & start $product' --class fedora --class gnu-linux --class gnu --class os {
	linux /images/pxeboot/vmlinuz $root rd.live.image rd.live.check quiet
	initrd /images/pxeboot/initrd.img
}
menuentry 'Start $product from one image' {
	linux /images/pxeboot/vmlinuz $root rd.live.squashimg=plain.img rd.live.image quiet
	initrd /images/pxeboot/initrd.img
}
submenu 'Troubleshooting -->' {
	menuentry 'Start $product in basic graphics mode' --class fedora --class gnu-linux --class gnu --class os {
		linux /images/pxeboot/vmlinuz $root rd.live.image nomodeset quiet
		initrd /images/pxeboot/initrd.img
	}
}
END
    cp "$tree/EFI/BOOT/grub.cfg" "$tree/boot/grub2/grub.cfg"
}
