# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# Secure Boot enforced: signed programs start, and the screen explains unsigned ones.
#
# case: secure          Secure Boot on: shim and GRUB from the image, up to the installer's first screen
# case: secure-http     the same by HTTP Boot, with the GRUB of Debian 13
# long: secure-http-disk the same by HTTP Boot with that of Debian 12, which has no HTTP
# case: secure-arch     Secure Boot on and an unsigned image: the message, and no attempt to start

# secure LOADERS
secure() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    image debian
    start_server "$IMAGE" -- --menu-timeout 0 --loaders "$1" --append "$INSTALLER"
    start_guest 1
    installer
    # GRUB requests it only with Secure Boot on.
    has_sent_file '/?loader/secure(-http)?/x86_64/locked.cfg'
}

# No loaders of this host: shim and GRUB come from the image.
case_secure() {
    mkdir -p "$LOGS/empty"
    secure "$LOGS/empty"
}

# The image's own GRUB of Debian 12 has no HTTP: it continues by TFTP, from a disk the firmware got
# by HTTP.
case_secure-http-disk() {
    GUEST_HTTP_BOOT=yes
    case_secure
}

# With Debian 13's GRUB everything uses HTTP.
case_secure-http() {
    local loaders
    GUEST_HTTP_BOOT=yes
    loaders=$(signed_loaders trixie)
    secure "$loaders"
}

# The message is on the screen, the serial console and in the log; the kernel is not requested.
case_secure-arch() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    image arch
    start_server "$IMAGE" "$REPO/target/boot/debian.iso" -- --menu-timeout 0 --loaders "$(signed_loaders)" --append "$QUIET"
    start_guest 1
    wait_event "$DEADLINE" --pid "$GUEST_PID" planned 'code~^secure_boot_(on|rejects_kernel|no_image)$' >/dev/null ||
        fail "the log does not say that Secure Boot is on"
    wait_line "$SERIAL" 'Secure Boot' "$DEADLINE" "$GUEST_PID" >/dev/null || fail "the machine does not say it"
    screen "$LOGS/sentence.png"
    step "the machine shows the sentence: $LOGS/sentence.png"
    ! has_sent '^/?iso/arch/.*vmlinuz' || fail "the kernel was loaded all the same"
}
