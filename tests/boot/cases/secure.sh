# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Secure Boot enforced: what is signed starts, and what is not says so.
#
# case: secure          Secure Boot on: shim and GRUB out of the image, up to the installer's first screen
# case: secure-http     the same by HTTP Boot, with the GRUB of Debian 13
# case: secure-http-disk the same by HTTP Boot with that of Debian 12, which has no HTTP
# case: secure-arch     Secure Boot on and an image nobody signed: the sentence, and no attempt

# secure LOADERS
secure() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    image debian
    start_server "$IMAGE" -- --menu-timeout 0 --loaders "$1" --append "$INSTALLER"
    start_guest 1
    installer
    # GRUB asks for it only where Secure Boot is on.
    has_sent_file '/?loader/secure(-http)?/x86_64/locked.cfg'
}

# No loader of this host: the chain comes out of the image.
case_secure() {
    mkdir -p "$LOGS/empty"
    secure "$LOGS/empty"
}

# The image's own GRUB of Debian 12 has no HTTP: it goes on by TFTP, from a disk that the firmware
# got by HTTP.
case_secure-http-disk() {
    GUEST_HTTP_BOOT=yes
    case_secure
}

# With the GRUB of Debian 13 beside it, everything goes by HTTP.
case_secure-http() {
    local loaders
    GUEST_HTTP_BOOT=yes
    loaders=$(signed_loaders trixie)
    secure "$loaders"
}

# The sentence is on the screen, in the serial console and in the log; the kernel is not asked for.
case_secure-arch() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    image arch
    start_server "$IMAGE" "$REPO/target/boot/debian.iso" -- --menu-timeout 0 --loaders "$(signed_loaders)" --append "$QUIET"
    start_guest 1
    wait_event "$DEADLINE" --pid "$GUEST_PID" planned 'text~Secure Boot is on' >/dev/null ||
        fail "the log does not say that Secure Boot is on"
    wait_line "$SERIAL" 'Secure Boot' "$DEADLINE" "$GUEST_PID" >/dev/null || fail "the machine does not say it"
    screen "$LOGS/sentence.png"
    step "the machine shows the sentence: $LOGS/sentence.png"
    ! has_sent '^/?iso/arch/.*vmlinuz' || fail "the kernel was loaded all the same"
}
