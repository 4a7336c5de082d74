# shellcheck shell=bash
# A live medium as kiwi makes it: a Debian sid with kiwi's own live module in dracut's initramfs, in
# kiwi's layout, with the menu of its template (kiwi/bootloader/template/grub2.py) filled in.
#
# image: kiwi-live           a live Debian sid with kiwi's dracut module kiwi-live and kiwi's layout

# shellcheck disable=SC2034  # read by build
kiwi_SOURCES=(lib/dracut.sh lib/dracut_sid.sh lib/system.sh lib/live.sh live mounted)

kiwi_packages() {
    in_suite sid kiwi_keyed | sed 's|^|sid/|'
}

kiwi_keyed() {
    dracut_sid_keyed
    echo kiwi-dracut-live:amd64
}

# kiwi_build NAME FILE
kiwi_build() { in_suite sid kiwi_medium "$@"; }

kiwi_medium() {
    local tree=$WORK/medium makers=$WORK/makers root=$WORK/live loader=$WORK/medium/boot/x86_64/loader
    DRACUT_SYSTEM=(kiwi-dracut-live systemd-sysv udev kmod iproute2 zstd curl nbd-client cryptsetup-bin)
    DRACUT_MODULES="systemd-networkd kiwi-live nbd pollcdrom"
    fetch_packages "$makers" "${DRACUT_MAKERS[@]}"
    mkdir -p "$tree"/{LiveOS,isolinux,boot/grub2} "$loader"
    dracut_system "$makers" "$root"
    live_payload "$root" "$1"
    install -m 755 "$HERE/mounted/report" "$root/usr/lib/lanboot/report"
    leave_out "$root"
    one_date "$root"
    squash "$root" "$tree/LiveOS/squashfs.img" -comp zstd -Xcompression-level 3 -no-xattrs
    mv "$tree/isolinux/vmlinuz" "$loader/linux"
    mv "$tree/isolinux/initrd.img" "$loader/initrd"
    cp "$makers/usr/lib/ISOLINUX/isolinux.bin" "$loader/"
    rmdir "$tree/isolinux"
    kiwi_menu >"$tree/boot/grub2/grub.cfg"
    one_date "$tree"
    write_iso "$2" -volid CDROM -joliet on -map "$tree" / \
        -boot_image isolinux bin_path=/boot/x86_64/loader/isolinux.bin \
        -boot_image isolinux cat_path=/boot/x86_64/boot.catalog \
        -boot_image any partition_offset=16
}

# kiwi_menu: prints the template for live media.
kiwi_menu() {
    local own="splash root=live:CDLABEL=CDROM rd.live.image"
    cat <<END
# kiwi generated one time grub2 config file
search --file --set=root /boot/0x4c414e42
set default=0
if [ -n "\$extra_cmdline" ]; then
  submenu "Bootable snapshot \$snapshot_num" {
    menuentry "If OK, run snapper rollback and reboot." { true; }
  }
fi
if [ -n "\${iso_path}" ]; then
    isoboot="iso-scan/filename=\${iso_path}"
fi
set timeout=10
set timeout_style=menu
terminal_input console
terminal_output console
menuentry "Lanboot-Live" --class os --unrestricted {
    set gfxpayload=keep
    echo Loading kernel...
    linux (\$root)/boot/x86_64/loader/linux \${extra_cmdline} \${isoboot} $own
    echo Loading initrd...
    initrd (\$root)/boot/x86_64/loader/initrd
}
menuentry "Failsafe -- Lanboot-Live" --class os --unrestricted {
    set gfxpayload=keep
    echo Loading kernel...
    linux (\$root)/boot/x86_64/loader/linux \${extra_cmdline} \${isoboot} ide=nodma apm=off noresume edd=off nomodeset 3 $own
    echo Loading initrd...
    initrd (\$root)/boot/x86_64/loader/initrd
}
menuentry "Mediacheck" --class os --unrestricted {
    set gfxpayload=keep
    echo Loading kernel...
    linux (\$root)/boot/x86_64/loader/linux mediacheck=1 plymouth.enable=0 \${isoboot} $own
    echo Loading initrd...
    initrd (\$root)/boot/x86_64/loader/initrd
}
menuentry "Boot from Hard Disk" --class os --unrestricted {
    exit
}
END
}
