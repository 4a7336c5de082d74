# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Debian's shim and GRUB if another DHCP server assigns the addresses and names itself as the server
# of the files. GRUB 2.06 of Debian 12 requests its files from that server, forever; 2.12 of Debian
# 13 takes the server from the proxy's offer.
#
# case: grub-proxy       Debian 12's shim and GRUB beside another DHCP server: iPXE instead, and the log says why
# long: grub-proxy-new   Debian 13's shim and GRUB beside another DHCP server: GRUB starts the image
# long: grub-proxy-named --loader grub with Debian 12's shim and GRUB: iPXE all the same
# long: grub-proxy-auto  as grub-proxy, if lanboot detected the other server by itself
# long: grub-proxy-secure Secure Boot on, Debian 13's shim and GRUB, up to the installer's first question
# long: grub-proxy-http  HTTP Boot with Debian 12's GRUB on a disk, beside another DHCP server

# beside_with MODE SUITE FLAGS…: boots an x64 machine with shim and GRUB of that suite, and this
# host's iPXE.
beside_with() {
    local mode=$1 suite=$2
    shift 2
    GUEST_FIRMWARE=uefi GUEST_MEMORY=1024
    LANBOOT_DHCP=(--dhcp "$mode")
    signed_loaders "$suite" >/dev/null
    cp /usr/lib/ipxe/snponly.efi "$LOGS/loaders/snponly-x86_64.efi"
    image arch
    start_other
    start_server "$IMAGE" -- --menu-timeout 0 --append "$QUIET" --loaders "$LOGS/loaders" "$@"
    boot_one 1
    [[ $(guest_says dhcp_server) == "$OTHER_ADDRESS" ]] || fail "the address came from $(guest_says dhcp_server)"
    grep -q "next server: $OTHER_ADDRESS" "$LOGS/other.log" || fail "the other server does not say that the files are its own"
}

# The log line of the offer gives the reason, and for machines with Secure Boot on also the start.
ipxe_and_why() {
    has_sent_file '/?loader/snponly-x86_64.efi'
    ! has_sent 'shimx64.efi' || fail "the machine got shim and GRUB"
    has_event dhcp message=DHCPOFFER 'detail~GRUB 2\.06 \(.*would look for its files' || fail "the offer does not say why"
    has_event diagnostic 'code~^secure_boot_(no_loader|beside_server)$' ||
        fail "the start does not say what Secure Boot needs"
}

case_grub-proxy() {
    beside_with proxy bookworm
    ipxe_and_why
}

case_grub-proxy-named() {
    beside_with proxy bookworm --loader grub
    ipxe_and_why
}

case_grub-proxy-auto() {
    beside_with auto bookworm
    ipxe_and_why
}

case_grub-proxy-new() {
    beside_with proxy trixie
    has_sent_file '/?loader/secure/x86_64/grubx64.efi'
    ! has_event diagnostic 'code~^secure_boot_(no_loader|beside_server)$' || fail "the log says that machines cannot start"
}

case_grub-proxy-secure() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    LANBOOT_DHCP=(--dhcp proxy)
    image debian
    start_other
    start_server "$IMAGE" -- --menu-timeout 0 --loaders "$(signed_loaders trixie)" --append "$INSTALLER"
    start_guest 1
    installer_asks
    has_sent_file '/?loader/secure/x86_64/locked.cfg'
}

case_grub-proxy-http() {
    GUEST_HTTP_BOOT=yes
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    LANBOOT_DHCP=(--dhcp proxy)
    image debian
    start_other
    start_server "$IMAGE" -- --menu-timeout 0 --loaders "$(signed_loaders)" --append "$INSTALLER"
    start_guest 1
    installer_asks
    has_sent_file '/?loader/secure-http/x86_64/boot.img'
    has_sent_file '/?loader/secure(-http)?/x86_64/locked.cfg'
}
