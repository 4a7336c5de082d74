# shellcheck shell=bash
# Live media whose initramfs cannot use the network, like Tails.
#
# image: live-tails          the live Debian 12 laid out as Tails: no network driver in its initramfs

# shellcheck disable=SC2034  # read by build
tails_SOURCES=(lib/live.sh lib/system.sh live)

tails_packages() { live_packages; }

# tails_build NAME FILE: the image live-12 with Tails' files, menus and kernel modules. Its initramfs
# says on the serial console what the file is that the system comes from.
tails_build() {
    local tree=$WORK/medium
    "$HERE/build" live-12 "$WORK/base.iso"
    mkdir -p "$tree"
    xorriso -report_about WARNING -osirrox on:auto_chmod_on -indev "$WORK/base.iso" -extract / "$tree" >&2
    chmod -R u+w "$tree"
    mv "$tree"/live/vmlinuz-* "$tree/live/vmlinuz"
    without_network "$tree"/live/initrd.img-* "$tree/live/initrd.img"
    rm "$tree"/live/initrd.img-* "$tree"/isolinux/*.cfg
    echo filesystem.squashfs >"$tree/live/Tails.module"
    tails_menus "$tree"
    one_date "$tree"
    write_iso "$2" -volid 'TAILS 6.0 - 20261101' -joliet on -map "$tree" / \
        -boot_image isolinux bin_path=/isolinux/isolinux.bin \
        -boot_image isolinux cat_path=/isolinux/boot.cat \
        -boot_image any next -boot_image any efi_path=/boot/grub/efi.img
}

# without_network INITRAMFS NEW: leaves out the network drivers, and adds the line about the file.
without_network() {
    local root=$WORK/initramfs
    mkdir -p "$root"
    zstdcat "$1" | (cd "$root" && cpio --quiet -id)
    rm -r "$root"/usr/lib/modules/*/kernel/drivers/net
    depmod -b "$root/usr" "$(basename "$root"/usr/lib/modules/*)"
    cat >"$root/scripts/init-bottom/lanboot" <<'END'
#!/bin/sh
[ "$1" != prereqs ] || exit 0
for file in /medium.iso; do
    echo "LANBOOT-FILE $(stat -c '%n %A %u:%g %s' $file)" >/dev/ttyS0
done
END
    chmod 755 "$root/scripts/init-bottom/lanboot"
    # shellcheck disable=SC2016  # a line of a script
    echo '/scripts/init-bottom/lanboot "$@"' >>"$root/scripts/init-bottom/ORDER"
    one_date "$root"
    (cd "$root" && find . | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0) | zstd -3 -q -c >"$2"
}

# tails_menus TREE: menus in the form of Tails' own.
tails_menus() {
    local append='boot=live config nopersistence noprompt timezone=Etc/UTC splash noautologin module=Tails slab_nomerge slub_debug=FZP mce=0 vsyscall=none quiet'
    cat >"$1/isolinux/isolinux.cfg" <<END
include live.cfg
default live
timeout 40
END
    cat >"$1/isolinux/live.cfg" <<END
label live
	menu label ^Tails
	menu default
	kernel /live/vmlinuz
	append initrd=/live/initrd.img $append

label livefailsafe
	menu label Tails (Troubleshooting Mode)
	kernel /live/vmlinuz
	append initrd=/live/initrd.img $append noapic noapm nodma nomce nolapic nosmp vga=normal
END
    cat >"$1/boot/grub/grub.cfg" <<END
menuentry "Tails" {
	linux /live/vmlinuz $append
	initrd /live/initrd.img
}
END
}
