# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Media whose own file system is the root, with dracut's initramfs: 059 of Debian 12, and sid's. The guest
# reports, and then asks for a login on its serial console.
#
# long: medium-root-nbd       BIOS: the medium as a network disk, changes in memory
# long: medium-root-nfs       BIOS: the medium mounted over NFS, changes in memory, chosen by itself
# long: medium-root-readonly  BIOS: the medium mounted over NFS, and nothing above it
# long: medium-root-uefi-nfs  OVMF's own PXE, iPXE, the medium mounted over NFS
# long: medium-root-grub-nbd  OVMF's own PXE, Debian's shim and GRUB, the medium as a network disk
# long: medium-root-sid-nbd   BIOS: sid's dracut 112 and systemd-networkd, the medium as a network disk
# long: medium-root-sid-nfs   BIOS: the same mounted over NFS

# medium_root IMAGE TRANSPORT CHANGES WRITES FLAGS…: CHANGES is the kind of file system that the root is
# afterwards, WRITES whether it takes changes.
medium_root() {
    local name=$1 transport=$2 changes=$3 writes=$4
    shift 4
    GUEST_MEMORY=1024
    image "$name"
    start_server "$IMAGE" -- --menu-timeout 0 "$@"
    start_guest 1
    wait_line "$SERIAL" 'Linux version' "$DEADLINE" "$GUEST_PID" >/dev/null ||
        fail "no kernel in $DEADLINE s; the server said last: $(last_events)"
    step "kernel started"
    wait_up 1 $((DEADLINE * 2))
    expect transport "$transport"
    expect dhcp ok
    expect image "$name"
    expect changes "$changes"
    expect writes "$writes"
    wait_text "$SERIAL" ' login: ' "$DEADLINE" "$GUEST_PID" || fail "the system does not ask for a login"
    step "the system asks for a login"
}

# With --append the console is the serial port; the machine stays on.
MEDIUM_ROOT_CONSOLE='loglevel=7 console=ttyS0 no_timer_check'

case_medium-root-nbd() {
    medium_root medium-root-12 nbd overlay yes --loader ipxe --transport nbd --append "$MEDIUM_ROOT_CONSOLE"
}

case_medium-root-nfs() {
    medium_root medium-root-12 nfs overlay yes --loader ipxe --append "$MEDIUM_ROOT_CONSOLE"
}

case_medium-root-readonly() {
    medium_root medium-root-12 nfs nfs no --loader ipxe --append "$MEDIUM_ROOT_CONSOLE rootovl=0"
}

case_medium-root-uefi-nfs() {
    GUEST_FIRMWARE=uefi
    medium_root medium-root-12 nfs overlay yes --loader ipxe --transport nfs --append "$MEDIUM_ROOT_CONSOLE"
}

case_medium-root-grub-nbd() {
    GUEST_FIRMWARE=uefi
    medium_root medium-root-12 nbd overlay yes --loader grub --loaders "$(signed_loaders bookworm)" \
        --transport nbd --append "$MEDIUM_ROOT_CONSOLE"
}

case_medium-root-sid-nbd() {
    medium_root medium-root-sid nbd overlay yes --loader ipxe --transport nbd --append "$MEDIUM_ROOT_CONSOLE"
}

case_medium-root-sid-nfs() {
    medium_root medium-root-sid nfs overlay yes --loader ipxe --transport nfs --append "$MEDIUM_ROOT_CONSOLE"
}
