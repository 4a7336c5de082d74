# shellcheck shell=bash
# The live medium of live.sh with the packages of Debian 13: live-boot 20250815, and another network
# configuration in the started system (dhcpcd).
#
# image: live-13             live-12 with Debian 13's packages

# shellcheck disable=SC2034  # read by build
live_13_SOURCES=(lib/live.sh lib/system.sh live)

live_13_packages() {
    in_suite trixie live_packages | sed 's|^|trixie/|'
}

# live_13_build NAME FILE
live_13_build() { in_suite trixie live_13_medium "$@"; }

live_13_medium() {
    # What makes an initramfs in Debian 13 calls dracut-install, which its package depends on.
    LIVE_SYSTEM=("${LIVE_SYSTEM[@]/isc-dhcp-client/dhcpcd-base}")
    live_build "$@"
}
