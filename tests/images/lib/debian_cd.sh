# shellcheck shell=bash
# A CD like Debian's netinst, as far as it can be had: the initramfs of a CD is in no package, and the
# packages that find a CD and read it could not be fetched. So this is the initramfs of the netboot tree with
# the modules that a CD's has besides (and without `loop`, which a CD's has not), and a script that says
# what is mounted at /cdrom.
#
# image: debian-cd           Debian 12's text installer with an initramfs that has isofs and no network

# shellcheck disable=SC2034  # read by build
debian_cd_SOURCES=()

# The packages with modules are those of the kernel in this one.
debian_cd_packages() { echo debian-installer-12-netboot-amd64:all; }

# fetch_udebs FOLDER PACKAGE…: downloads packages of the installer's own component into FOLDER.
fetch_udebs() (
    CACHE=$CACHE/udebs DEBIAN_COMPONENT=main/debian-installer
    mkdir -p "$1"
    prepare_packages
    cd "$1" || exit 1
    private_apt apt-get -qq download "${@:2}" || fail "cannot fetch ${*:2} of the component $DEBIAN_COMPONENT"
)

# debian_cd_build NAME FILE
debian_cd_build() {
    local debian=$WORK/installer tree=$WORK/tree udebs=$WORK/udebs from kernel
    fetch_packages "$debian" debian-installer-12-netboot-amd64:all
    from=$debian/usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64
    kernel=$(zcat "$from/initrd.gz" | cpio --quiet -t | sed -n 's#^lib/modules/\([^/]*\)$#\1#p')
    fetch_udebs "$udebs" "loop-modules-$kernel-di" "isofs-modules-$kernel-di" "cdrom-core-modules-$kernel-di"
    mkdir -p "$tree"/{.disk,boot/grub,dists/bookworm,install.amd,pool/main/l/linux-signed-amd64}
    echo 'Debian GNU/Linux 12 "Bookworm" - test of lanboot amd64 NETINST' >"$tree/.disk/info"
    printf 'Suite: stable\nCodename: bookworm\n' >"$tree/dists/bookworm/Release"
    mv "$udebs"/loop-modules-*.udeb "$tree/pool/main/l/linux-signed-amd64"
    cp "$from/linux" "$tree/install.amd/vmlinuz"
    debian_cd_initramfs "$from/initrd.gz" "$udebs" "$tree/install.amd/initrd.gz"
    cat >"$tree/boot/grub/grub.cfg" <<'END'
menuentry --hotkey=i 'Install' {
    linux    /install.amd/vmlinuz vga=788 --- quiet 
    initrd   /install.amd/initrd.gz
}
END
    one_date "$tree"
    write_iso "$2" -volid 'Debian 12.0.0 amd64 n' -joliet on -map "$tree" /
}

# debian_cd_initramfs INITRAMFS UDEBS NEW: with the modules of these packages and the script, without network.
debian_cd_initramfs() {
    local root=$WORK/initramfs file
    mkdir -p "$root"
    zcat "$1" | (cd "$root" && cpio --quiet -id --no-absolute-filenames)
    for file in "$2"/*.udeb; do dpkg-deb -x "$file" "$root"; done
    rm -rf "$root"/lib/modules/*/kernel/drivers/net
    cat >"$root/lib/debian-installer-startup.d/S03seen" <<'END'
#!/bin/sh
echo "LANBOOT-CDROM $(grep ' /cdrom ' /proc/mounts) $(cat /cdrom/.disk/info) queue=$(cat /var/lib/anna-install/queue)" >/dev/ttyS0
END
    chmod 755 "$root/lib/debian-installer-startup.d/S03seen"
    one_date "$root"
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | gzip -n -1 >"$3"
}
