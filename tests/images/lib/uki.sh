# shellcheck shell=bash
# A unified kernel image with a root that systemd downloads: Debian sid's own kernel, an initramfs by
# dracut with its module systemd-import, both joined by ukify, and a disk image (UAPI.3) beside them.
# A build takes some minutes and needs root: mmdebstrap installs the system.
#
# image: uki                a unified kernel image of sid and the disk image with its root: rd.systemd.pull

# shellcheck disable=SC2034  # read by build
uki_SOURCES=(lib/system.sh lib/live.sh live uki)

# What the system holds besides the essential packages.
UKI_SYSTEM=(linux-image-amd64 systemd-sysv systemd-container systemd-resolved systemd-boot-efi
    systemd-ukify libcurl4t64 liblz4-1 liblzma5 libzstd1
    udev kmod iproute2 dbus dracut dracut-network zstd)
# What is not in the root: only making the kernel image needs it.
UKI_LEFT_OUT=(boot 'var/lib/apt/lists/*' 'var/cache/apt/*' 'usr/lib/modules/*' 'usr/lib/python3*'
    'usr/lib/dracut/*' 'usr/share/locale/*' medium 'usr/lib/x86_64-linux-gnu/perl*' 'usr/share/perl*')

uki_packages() { in_suite sid uki_packages_of_sid; }

uki_packages_of_sid() {
    printf '%s\n' systemd:amd64 systemd-container:amd64 systemd-boot-efi:amd64 systemd-ukify:all \
        dracut:all dracut-network:all "$(kernel_package linux-image-amd64:amd64)"
}

# uki_build NAME FILE
uki_build() {
    local tree=$WORK/medium root=$WORK/live
    in_suite sid uki_system "$root"
    live_payload "$root" "$1"
    mkdir -p "$tree/EFI/Linux"
    uki_program "$root" "$tree/EFI/Linux/lanboot.efi"
    one_date "$root"
    squash "$root" "$WORK/root.squashfs" -comp zstd -Xcompression-level 3 -no-xattrs \
        -wildcards -e "${UKI_LEFT_OUT[@]}"
    python3 "$HERE/uki/disk.py" "$WORK/root.squashfs" "$tree/EFI/Linux/lanboot.raw"
    one_date "$tree"
    write_iso "$2" -volid LANBOOT_UKI -joliet on -map "$tree" /
}

# uki_system ROOT: in the suite whose packages it is made of.
uki_system() {
    local makers=$WORK/makers root=$1 options=$WORK/apt.conf
    fetch_packages "$makers" mmdebstrap:all
    grep '^Acquire' "$CACHE/apt/apt.conf" >"$options"
    PATH=$makers/usr/bin:$PATH TMPDIR=$WORK mmdebstrap --quiet --variant=minbase \
        --format=directory --skip=check/qemu --include="$(IFS=,; echo "${UKI_SYSTEM[*]}")" \
        --aptopt="$options" --aptopt='APT::Sandbox::User "root"' --aptopt='APT::Install-Recommends "false"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        "$DEBIAN_SUITE" "$root" "$(cat "$CACHE/apt/sources.list")" 2>"$WORK/mmdebstrap.log" || {
        tail -n 20 "$WORK/mmdebstrap.log" >&2
        fail "mmdebstrap failed"
    }
}

# uki_program ROOT FILE: what systemd-import-generator(8) shows as its example 4.
uki_program() {
    local root=$1 kernel version
    kernel=$(basename "$root"/boot/vmlinuz-*)
    version=${kernel#vmlinuz-}
    mkdir "$root/medium"
    echo "rd.systemd.pull=raw,machine,verify=no,blockdev,bootorigin:rootdisk:lanboot.raw root=gpt-auto" \
        >"$root/medium/cmdline"
    {
        # With the drivers of every machine udev takes a minute on an emulated processor.
        chroot "$root" dracut --quiet --no-hostonly --no-early-microcode --zstd --kver "$version" \
            --add 'systemd-import systemd-networkd' --omit 'network-manager nfs nbd iscsi cifs plymouth drm' \
            --drivers 'virtio_net virtio_pci e1000e loop squashfs efivarfs' /medium/initrd
        chroot "$root" ukify build --linux="/boot/$kernel" --initrd=/medium/initrd --uname="$version" \
            --cmdline=@/medium/cmdline --os-release=@/etc/os-release --output=/medium/program.efi
    } >"$WORK/uki.log" 2>&1 || { tail -n 20 "$WORK/uki.log" >&2; fail "the kernel image cannot be made"; }
    mv "$root/medium/program.efi" "$2"
}
