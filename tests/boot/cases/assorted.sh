# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# A folder of 14 images, each of another family and one with a Chinese name, beside a file that is no
# image and one that is half copied: each loader's menu on a machine's screen, kept beside the log as
# menu.png (docs/pictures/make copies it), and the menus after the folder has changed. The first image
# boots; the others are made of heads of kernels.
#
# long: assorted-ipxe         the ROM's iPXE
# long: assorted-ipxe-uefi    this host's snponly.efi behind OVMF's own PXE
# long: assorted-pxelinux     lpxelinux.0 and menu.c32
# long: assorted-grub         GRUB behind shim, with Secure Boot off

# Bytes of the image that is half copied.
ASSORTED_HALF=20000000

# assorted KIND FIRST FLAGS…: KIND is the language of the menus, FIRST the path of their first file.
assorted() {
    local kind=$1 first=$2
    shift 2
    assorted_folder
    start_server "$FOLDER" -- --menu-timeout never --append "$QUIET" "$@"
    has_event diagnostic code=image_unusable 'file~/corrupt\.iso$' || fail "corrupt.iso is not reported"
    has_event diagnostic 'file~/half\.iso$' || fail "half.iso is not reported"
    step "$(event_values text diagnostic 'file~/half\.iso$' | head -n 1 | sed "s|$FOLDER/||")"
    start_guest 1
    wait_sent 120 "$first" || fail "no menu was requested"
    many_still menu.png
    # GRUB lists an incomplete image with the reason, which is all its entry shows.
    HALF=$([[ $kind != grub ]] || echo half)
    assorted_lists "$kind" start
    HALF=
    assorted_changes
    ASSORTED=$(sort <<<"${ASSORTED/ipfire*core198/half}")
    assorted_lists "$kind" changed
    # The machine's menu is the one of the start.
    press ret
    wait_up 1 "$DEADLINE"
    expect image arch
    wait_off "$GUEST_PID" 20
    rm -rf "$FOLDER"
}

# Makes the folder; ASSORTED are the names of its images.
assorted_folder() {
    FOLDER=$LOGS/images
    "$REPO/tests/images/assorted" "$FOLDER" || fail "the images cannot be made"
    image arch
    cp --sparse=always "$IMAGE" "$FOLDER/archlinux-2026.11.01.iso"
    # What has another script only is known by its number.
    ASSORTED=$(cd "$FOLDER" && printf '%s\n' *.iso | sed 's/\.iso$//; s/^深度操作系统-/image-/' | sort)
    (($(wc -l <<<"$ASSORTED") == 14)) || fail "there are not 14 images: $ASSORTED"
    head -c 300000 /dev/urandom >"$FOLDER/corrupt.iso"
    head -c "$ASSORTED_HALF" "$IMAGE" >"$FOLDER/half.iso"
}

# One image is copied to its end, one removed and one replaced.
assorted_changes() {
    tail -c +$((ASSORTED_HALF + 1)) "$IMAGE" >>"$FOLDER/half.iso"
    cp "$FOLDER/nixos-minimal-25.05.iso" "$LOGS/new"
    mv "$LOGS/new" "$FOLDER/nixos-minimal-25.05.iso"
    rm "$FOLDER/ipfire-2.29-core198.iso"
    wait_event 30 diagnostic code=images_changed >/dev/null || fail "the server did not see the change"
    step "one image completed, one replaced, one removed"
}

# assorted_lists KIND NAME: each image, and no other, is soon in the menus that a machine would get.
assorted_lists() {
    wait_until 30 assorted_is_listed "$@" ||
        fail "the menu lists: $(diff <(echo "$ASSORTED") <(echo "$LISTED") | tr '\n' ' ')"
    step "the menu lists $(wc -l <<<"$LISTED") images, and no other"
}

# assorted_is_listed KIND NAME: the same now. Sets LISTED.
assorted_is_listed() {
    in_srv "$REPO/tests/clients/menu-pages" "$1" "http://$SERVER_ADDRESS" "$LOGS/pages-$2" >"$LOGS/menu-$2" ||
        fail "a page of the menu leads nowhere"
    LISTED=$(tail -n +2 "$LOGS/menu-$2" | { grep -vx "${HALF:-}" || true; } | assorted_images)
    [[ $LISTED == "$ASSORTED" ]]
}

# Reads the names of entries, prints those of their images.
assorted_images() {
    local entry name
    while read -r entry; do
        while read -r name; do
            [[ $entry != "$name" && $entry != "$name"-* ]] || echo "$name"
        done <<<"$ASSORTED" | tail -n 1 | grep . || echo "unknown: $entry"
    done | sort -u
}

case_assorted-ipxe() { assorted ipxe '/boot.ipxe$' --loader ipxe; }

case_assorted-ipxe-uefi() {
    GUEST_FIRMWARE=uefi
    assorted ipxe '/boot.ipxe$' --loader ipxe
}

case_assorted-pxelinux() { assorted pxelinux 'pxelinux.cfg/default$' --loader pxelinux; }

case_assorted-grub() {
    GUEST_FIRMWARE=uefi
    assorted grub 'grub.cfg$' --loader grub --loaders "$(signed_loaders)"
}
