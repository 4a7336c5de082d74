# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Live media in the layout of Fedora's, with dracut's own initramfs: 059 of Debian 12, and sid's.
#
# long: dracut-059           BIOS: a root in one squashfs, fetched over HTTP into memory
# long: dracut-059-nfs       BIOS: the same root read over NFS
# long: dracut-059-nbd       BIOS: the same root on a network disk
# long: dracut-059-uefi      OVMF's own PXE, the root over HTTP
# long: dracut-059-uefi-nfs  the same with a file system inside a squashfs, read over NFS
# long: dracut-sid           BIOS: sid's dracut, systemd-networkd and a root in an EROFS, over HTTP
# long: dracut-sid-uefi      OVMF's own PXE, the same over HTTP
# long: dracut-sid-uefi-nfs  the same, read over NFS
# long: kiwi                 BIOS: kiwi's own live module, the whole image downloaded to a RAM disk
# long: kiwi-uefi-nbd        OVMF's own PXE, the same with the image as a network disk

# dracut IMAGE ENTRY TRANSPORT CHANGES: CHANGES is the kind of file system that the root is.
dracut() {
    local name=$1 entry=$2 transport=$3 changes=$4
    GUEST_MEMORY=1536
    image "$name"
    start_server "$IMAGE" -- --menu-timeout 0 --loader ipxe --boot "$entry" --transport "$transport" --append "loglevel=7 $QUIET"
    boot_one 1 "$transport"
    expect image "$name"
    expect changes "$changes"
    grep -q '[ "]rd.live.image ' <<<"$GUEST_LINE" || fail "the medium's own arguments did not arrive: $GUEST_LINE"
    if [[ $transport == http ]]; then
        has_sent_file "/iso/$name/LiveOS/[a-z]*.img"
    else
        ! has_sent "^/iso/$name/LiveOS/" || fail "the root was copied"
    fi
}

case_dracut-059() { dracut dracut-live-12 dracut-live-12-pxeboot http overlay; }
case_dracut-059-nfs() { dracut dracut-live-12 dracut-live-12-pxeboot nfs overlay; }
case_dracut-059-nbd() { dracut dracut-live-12 dracut-live-12-pxeboot nbd overlay; }

case_dracut-059-uefi() {
    GUEST_FIRMWARE=uefi
    dracut dracut-live-12 dracut-live-12-pxeboot http overlay
}

case_dracut-059-uefi-nfs() {
    GUEST_FIRMWARE=uefi
    dracut dracut-live-12 dracut-live-12-isolinux nfs ext4
}

case_dracut-sid() { dracut dracut-live-sid dracut-live-sid http overlay; }

case_dracut-sid-uefi() {
    GUEST_FIRMWARE=uefi
    dracut dracut-live-sid dracut-live-sid http overlay
}

case_dracut-sid-uefi-nfs() {
    GUEST_FIRMWARE=uefi
    dracut dracut-live-sid dracut-live-sid nfs overlay
}

# kiwi TRANSPORT
kiwi() {
    GUEST_MEMORY=2048
    image kiwi-live
    start_server "$IMAGE" -- --menu-timeout 0 --loader ipxe --transport "$1" --append "loglevel=7 $QUIET"
    boot_one 1 "$1"
    expect image kiwi-live
}

case_kiwi() {
    kiwi http
    has_sent_file '/iso/kiwi-live.iso'
}

case_kiwi-uefi-nbd() {
    GUEST_FIRMWARE=uefi
    kiwi nbd
}
