# shellcheck shell=bash
# Live media as live-build makes them: a Debian system in a squashfs, with Debian's own kernel,
# initramfs (live-boot's hooks) and boot loaders, and live-build's menus. A build takes three to eight
# minutes and needs root: mmdebstrap installs a system of some 150 packages.
#
# image: live-12             a live Debian 12 as live-build makes it: live-boot, ISOLINUX, signed shim and GRUB

# shellcheck disable=SC2034  # read by build
live_SOURCES=(lib/system.sh live)

# What the system holds besides the essential packages. Without live-config nothing changes it at
# boot; `components` in the menus is for that.
LIVE_SYSTEM=(linux-image-amd64 live-boot live-boot-initramfs-tools systemd-sysv udev kmod iproute2
    busybox zstd ifupdown isc-dhcp-client)
# What is not in the squashfs: a test boots without it.
LIVE_LEFT_OUT=(boot 'var/lib/apt/lists/*' 'var/cache/apt/*' 'usr/lib/modules/*/kernel/sound'
    'usr/lib/modules/*/kernel/drivers/gpu' 'usr/lib/modules/*/kernel/drivers/media'
    'usr/lib/modules/*/kernel/drivers/net/wireless' 'usr/lib/modules/*/kernel/drivers/infiniband')

# What makes the medium: it is unpacked, not installed.
LIVE_MAKERS=(mmdebstrap:all live-build:all isolinux:all syslinux-common:all shim-signed:amd64
    grub-efi-amd64-signed:amd64)

live_packages() {
    printf '%s\n' "${LIVE_MAKERS[@]}" live-boot:all live-boot-initramfs-tools:all \
        systemd-sysv:amd64 initramfs-tools-core:all "$(kernel_package linux-image-amd64:amd64)"
}

# live_build NAME FILE
live_build() {
    local name=$1 tree=$WORK/medium makers=$WORK/makers root=$WORK/live
    fetch_packages "$makers" "${LIVE_MAKERS[@]}"
    live_system "$makers" "$root"
    live_payload "$root" "$name"
    mkdir -p "$tree"/{live,.disk}
    cp "$root"/boot/vmlinuz-* "$root"/boot/initrd.img-* "$tree/live/"
    one_date "$root"
    squash "$root" "$tree/live/filesystem.squashfs" -comp zstd -Xcompression-level 3 -no-xattrs \
        -wildcards -e "${LIVE_LEFT_OUT[@]}"
    echo "lanboot test image, as live-build makes them" >"$tree/.disk/info"
    live_menus "$makers" "$tree"
    live_loaders "$makers" "$tree"
    one_date "$tree"
    write_iso "$2" -volid LANBOOT_LIVE -joliet on -map "$tree" / \
        -boot_image isolinux bin_path=/isolinux/isolinux.bin \
        -boot_image isolinux cat_path=/isolinux/boot.cat \
        -boot_image isolinux system_area="$makers/usr/lib/ISOLINUX/isohdpfx.bin" \
        -boot_image any next -boot_image any efi_path=/boot/grub/efi.img \
        -boot_image any partition_offset=16
}

# live_system MAKERS ROOT: the system, out of the mirror that the private state of apt names.
live_system() {
    local makers=$1 root=$2 options=$WORK/apt.conf
    grep '^Acquire' "$CACHE/apt/apt.conf" >"$options"
    PATH=$makers/usr/bin:$PATH TMPDIR=$WORK mmdebstrap --quiet --variant=minbase \
        --format=directory --skip=check/qemu --include="$(IFS=,; echo "${LIVE_SYSTEM[*]}")" \
        --aptopt="$options" --aptopt='APT::Sandbox::User "root"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        "$DEBIAN_SUITE" "$root" "$(cat "$CACHE/apt/sources.list")" 2>"$WORK/mmdebstrap.log" || {
        tail -n 20 "$WORK/mmdebstrap.log" >&2
        fail "mmdebstrap failed"
    }
}

# live_payload ROOT NAME: the report, and files that it checks.
live_payload() {
    local root=$1
    mkdir -p "$root/usr/lib/lanboot" "$root/usr/share/lanboot"
    install -m 755 "$HERE/live/report" "$root/usr/lib/lanboot/"
    install -m 644 "$HERE/live/lanboot-report.service" "$root/etc/systemd/system/"
    mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
    ln -sf ../lanboot-report.service "$root/etc/systemd/system/sysinit.target.wants/"
    echo "$2" >"$root/etc/lanboot-image"
    make_payload "$root/usr/share/lanboot"
    (cd "$root" && sha256sum usr/share/lanboot/payload-* etc/lanboot-image usr/bin/dash) >"$WORK/manifest"
    mv "$WORK/manifest" "$root/usr/share/lanboot/manifest"
}

# live_menus MAKERS TREE: live-build's templates, filled in as `binary_syslinux` and
# `binary_grub_cfg` do.
live_menus() {
    local templates=$1/usr/share/live/build/bootloaders tree=$2 kernel initrd append='boot=live components'
    kernel=/live/$(basename "$tree"/live/vmlinuz-*)
    initrd=/live/$(basename "$tree"/live/initrd.img-*)
    mkdir -p "$tree/isolinux" "$tree/boot/grub"
    cp "$templates"/isolinux/isolinux.cfg "$templates"/syslinux_common/{menu,stdmenu,utilities}.cfg "$tree/isolinux/"
    sed "s|@FLAVOUR@|amd64|; s|@LINUX@|$kernel|; s|@INITRD@|$initrd|; s|@APPEND_LIVE@|$append|
        s|@APPEND_LIVE_FAILSAFE@|$append memtest noapic noapm nodma nomce nolapic nosmp nosplash vga=788|" \
        "$templates/syslinux_common/live.cfg.in" >"$tree/isolinux/live.cfg"
    sed -i 's/@OPTIONAL_INSTALLER_INCLUDE@//; s/@OPTIONAL_MEMTEST_INCLUDE@//' "$tree"/isolinux/*.cfg
    cp "$templates"/grub-pc/{config,theme}.cfg "$tree/boot/grub/"
    cat >"$WORK/entries" <<END
menuentry "Live system (amd64)" --hotkey=l {
	linux	$kernel $append findiso=\${iso_path}
	initrd	$initrd
}
menuentry "Live system (amd64 fail-safe mode)" {
	linux	$kernel $append memtest noapic noapm nodma nomce nolapic nosmp nosplash vga=788
	initrd	$initrd
}
END
    sed -e "/@LINUX_LIVE@/r $WORK/entries" -e '/@LINUX_LIVE@/d' \
        -e 's/@ENABLE_INSTALL_MENU@/false/; s/@ENABLE_MEMTEST@/false/' \
        "$templates/grub-pc/grub.cfg" >"$tree/boot/grub/grub.cfg"
    echo "source /boot/grub/grub.cfg" >"$tree/boot/grub/loopback.cfg"
}

# live_loaders MAKERS TREE: ISOLINUX, and Debian's signed shim and GRUB in a boot image for UEFI.
live_loaders() {
    local makers=$1 tree=$2 image=$2/boot/grub/efi.img module
    cp "$makers/usr/lib/ISOLINUX/isolinux.bin" "$tree/isolinux/"
    for module in ldlinux libcom32 libutil vesamenu; do
        cp "$makers/usr/lib/syslinux/modules/bios/$module.c32" "$tree/isolinux/"
    done
    mkdir -p "$tree/EFI/boot"
    cp "$makers/usr/lib/shim/shimx64.efi.signed" "$tree/EFI/boot/bootx64.efi"
    cp "$makers/usr/lib/grub/x86_64-efi-signed/gcdx64.efi.signed" "$tree/EFI/boot/grubx64.efi"
    truncate -s 8M "$image"
    mformat -i "$image" -N 4c414e42 ::
    mmd -i "$image" ::/EFI ::/EFI/boot
    mcopy -i "$image" "$tree"/EFI/boot/*.efi ::/EFI/boot/
}
