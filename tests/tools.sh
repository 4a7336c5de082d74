# shellcheck shell=bash
# Which Debian packages the scripts need, and how they are installed.

# To build: rusqlite compiles SQLite.
BUILD_PACKAGES=(ca-certificates gcc libc6-dev)
# To build the fuzz targets: libFuzzer is C++ (tests/fuzz).
FUZZ_PACKAGES=(g++)
# To make images (tests/images) and boot machines (tests/boot).
BOOT_PACKAGES=(
    binutils busybox-static cpio curl e2fsprogs gcc iproute2 ipxe ipxe-qemu isolinux kmod make mtools
    openssl ovmf procps pxelinux python3 python3-cryptography python3-pefile qemu-system-x86
    sbsigntool seabios squashfs-tools syslinux-common syslinux-utils xorriso xz-utils zstd
)
# To make the file systems that unit tests read.
IMAGE_PACKAGES=(dosfstools fdisk gdisk genisoimage grub-common mtools udftools xorriso)
# To boot 64-bit ARM machines.
ARM_PACKAGES=(qemu-efi-aarch64 qemu-system-arm)
# Programs nobody here wrote that talk to lanboot in the tests.
CLIENT_PACKAGES=(
    atftp atftpd dnsmasq-base dosfstools fio gnupg gpgv grub-common isc-dhcp-client isc-dhcp-relay
    isc-dhcp-server kea-admin kea-dhcp4-server libcap2-bin libnbd-bin libnfs-dev libnfs-utils
    nbd-client nbdkit nfs-common nfs-ganesha nfs-ganesha-vfs nftables nginx-light python3-libnbd
    qemu-utils rpcbind sqv tcpdump tftp-hpa udhcpc util-linux
)
CHECK_PACKAGES=("${BUILD_PACKAGES[@]}" "${FUZZ_PACKAGES[@]}" "${BOOT_PACKAGES[@]}" "${IMAGE_PACKAGES[@]}" "${ARM_PACKAGES[@]}" "${CLIENT_PACKAGES[@]}")

# need_root SCRIPT ARGS…: namespaces, taps and apt need root; asks for it through sudo.
need_root() {
    [[ $(id -u) == 0 ]] && return
    type -P sudo >/dev/null || { echo "$1 needs root: run it as root" >&2; exit 1; }
    exec sudo --preserve-env=PATH,HOME,CARGO_HOME,RUSTUP_HOME "$@"
}

# install_tools PACKAGE…: installs those that are missing.
install_tools() {
    type -P cargo >/dev/null || { echo "cargo is missing: install Rust from https://rustup.rs" >&2; exit 1; }
    install_packages "$@"
}

install_packages() {
    local package missing=()
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
            missing+=("$package")
    done
    ((${#missing[@]})) || return 0
    echo "== installing ${missing[*]}"
    # No package may start a service on this host: nginx and atftpd would take the ports.
    local policy=/usr/sbin/policy-rc.d made=
    if [[ ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy"
        chmod 755 "$policy"
        made=yes
    fi
    local status=0
    update_index
    DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || status=$?
    [[ -z $made ]] || rm -f "$policy"
    ((status == 0)) || { echo "these packages could not be installed: apt-get install -y ${missing[*]}" >&2; exit 1; }
}

# update_index: reads the package indexes of this host, and only those: what apt-file or a software
# centre also want (Contents, icons) may be missing on a mirror. Whether a failure matters is seen
# when the packages are installed.
update_index() {
    local target options=()
    for target in $(apt-config dump | sed -nE 's/^Acquire::IndexTargets::([^ ]+)::MetaKey .*/\1/p'); do
        [[ $target == *::Packages ]] || options+=(-o "Acquire::IndexTargets::$target::DefaultEnabled=false")
    done
    apt-get update -qq "${options[@]}" >/dev/null || echo "== apt-get update failed; trying with the package index at hand" >&2
}
