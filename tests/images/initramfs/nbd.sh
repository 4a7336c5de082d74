# The whole medium as a network block device, as archiso_pxe_nbd attaches it: port 10809.

choose_nbd() {
    if [ -n "$ip" ] && [ -n "$archiso_nbd_srv" ]; then
        archiso_nbd_srv=$(expand "$archiso_nbd_srv")
        : "${archiso_nbd_name:=archiso}"
        mount_handler=mount_nbd
        transport=nbd
    fi
}

mount_nbd() {
    modprobe -q nbd 2>/dev/null
    say "nbd: $archiso_nbd_srv, export $archiso_nbd_name"
    # Not archiso's doing: with `lanboot_nbd=disk` the machine's own disk is the network disk.
    if [ "$lanboot_nbd" = disk ]; then
        archisodevice=/dev/vda
    elif [ "$copytoram" = n ] && [ "$ERA" != 2013 ]; then
        nbd-client "$archiso_nbd_srv" -N "$archiso_nbd_name" -systemd-mark -persist /dev/nbd0
    else
        [ "$copytoram" = n ] || copytoram=y
        nbd-client "$archiso_nbd_srv" -N "$archiso_nbd_name" /dev/nbd0
    fi || stop "nbd: cannot attach $archiso_nbd_name from $archiso_nbd_srv"
    [ -n "$archisosearchuuid$archisolabel$archisodevice" ] || archisodevice=/dev/nbd0
    mount_medium
    # Before archiso v27 (2016-05) the disk is gone afterwards in any case, also under a mounted root.
    if [ "$ERA" = 2013 ] || [ "$copytoram" != n ]; then
        nbd-client -d /dev/nbd0
    fi
}
