# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# A folder of many images, one of them in a folder below: its menu's pages on a machine's screen, and
# a boot from the second page. The pictures are kept beside the log.
#
# long: many-ipxe         the ROM's iPXE
# long: many-ipxe-uefi    this host's snponly.efi behind OVMF's own PXE
# long: many-pxelinux     lpxelinux.0 and menu.c32
# long: many-grub         GRUB behind shim, with Secure Boot off

# many FIRST PAGE DOWN FLAGS…: FIRST is the path of the menu's first file, PAGE of the folder's page,
# which is DOWN entries below the first one.
many() {
    local first=$1 page=$2 down=$3 folder=$LOGS/images
    shift 3
    "$REPO/tests/images/many" "$folder" 60 || fail "the images cannot be made"
    "$REPO/tests/images/build" arch "$folder/系统 and tools/arch.iso"
    start_server "$folder" -- --menu-timeout never --append "$QUIET" "$@"
    start_guest 1
    wait_sent 120 "$first" || fail "no menu was requested"
    many_still first.png
    for ((; down > 0; down--)); do press down; done
    press ret
    wait_sent 30 "$page" || fail "the folder's page was not requested"
    many_still page.png
    press ret
    wait_up 1 "$DEADLINE"
    expect image arch
    wait_off "$GUEST_PID" 20
    rm -rf "$folder"
}

# many_still FILE: saves the screen once two pictures of it are the same and not of one colour.
many_still() {
    local left seen before='' now
    deadline 60
    while in_time; do
        screen "$LOGS/$1"
        now=$(cksum <"$LOGS/$1")
        [[ $now == "$before" && $(stat -c %s "$LOGS/$1") -gt 1200 ]] && return
        before=$now
        nap 1
    done
    fail "the screen did not come to rest"
}

# Below the default entry is that of 32-bit processors, which a BIOS starts, too.
case_many-ipxe() { many '/boot.ipxe$' '/loader/menu/ipxe/page/and-tools$' 2 --loader ipxe; }

case_many-ipxe-uefi() {
    GUEST_FIRMWARE=uefi
    many '/boot.ipxe$' '/loader/menu/ipxe/page/and-tools$' 1 --loader ipxe
}

# Its first entry chooses between the two.
case_many-pxelinux() {
    many 'pxelinux.cfg/default$' '/loader/menu/pxelinux/page/and-tools$' 3 --loader pxelinux
}

case_many-grub() {
    GUEST_FIRMWARE=uefi
    many 'grub.cfg$' '/loader/menu/grub/page/and-tools$' 1 --loader grub --loaders "$(signed_loaders)"
}
