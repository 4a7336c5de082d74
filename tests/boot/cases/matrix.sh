# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# The loader matrix: every set of loaders × DHCP modes × Secure Boot off and on, each cell booted
# once by an x64 machine with OVMF. A cell succeeds if the machine is up, or if it was rejected with
# a message and its firmware gave up by itself. The results of a complete run are written into
# docs/firmware.md (matrix-table).
#
# "ipxe-shim" stands for iPXE 2.0's release, which is not packaged with Microsoft's signature. It is
# Debian's shim and Debian's iPXE 2.0 under the names of that release, with two keys of the test:
# shim contains the vendor's certificate, iPXE is signed by the vendor, and shim by a key that the
# firmware trusts beside Microsoft's. Debian's shim requests grubx64.efi, whatever its own name; the
# released one derives the name of iPXE from its own.
# "shim-2011" is Debian's shim without the signature made with Microsoft's key of 2023.
#
# Three corners are part of ./check; the others of ./check --long.
#
# long: matrix-ipxe-2019-server-off  Debian 12's iPXE, Secure Boot off
# long: matrix-ipxe-2019-server-on  Debian 12's iPXE, Secure Boot on
# long: matrix-ipxe-2019-proxy-off  Debian 12's iPXE, beside another DHCP server, Secure Boot off
# long: matrix-ipxe-2019-proxy-on  Debian 12's iPXE, beside another DHCP server, Secure Boot on
# long: matrix-ipxe-2019-relay-off  Debian 12's iPXE, behind a relay, Secure Boot off
# long: matrix-ipxe-2019-relay-on  Debian 12's iPXE, behind a relay, Secure Boot on
# long: matrix-ipxe-2.0-server-off  iPXE 2.0, Secure Boot off
# long: matrix-ipxe-2.0-server-on  iPXE 2.0, Secure Boot on
# long: matrix-ipxe-2.0-proxy-off  iPXE 2.0, beside another DHCP server, Secure Boot off
# long: matrix-ipxe-2.0-proxy-on  iPXE 2.0, beside another DHCP server, Secure Boot on
# long: matrix-ipxe-2.0-relay-off  iPXE 2.0, behind a relay, Secure Boot off
# long: matrix-ipxe-2.0-relay-on  iPXE 2.0, behind a relay, Secure Boot on
# long: matrix-ipxe-shim-server-off  iPXE 2.0 behind a shim, Secure Boot off
# long: matrix-ipxe-shim-server-on  iPXE 2.0 behind a shim, Secure Boot on
# long: matrix-ipxe-shim-proxy-off  iPXE 2.0 behind a shim, beside another DHCP server, Secure Boot off
# long: matrix-ipxe-shim-proxy-on  iPXE 2.0 behind a shim, beside another DHCP server, Secure Boot on
# long: matrix-ipxe-shim-relay-off  iPXE 2.0 behind a shim, behind a relay, Secure Boot off
# long: matrix-ipxe-shim-relay-on  iPXE 2.0 behind a shim, behind a relay, Secure Boot on
# long: matrix-grub-2.06-server-off  shim and GRUB of Debian 12, Secure Boot off
# long: matrix-grub-2.06-server-on  shim and GRUB of Debian 12, Secure Boot on
# long: matrix-grub-2.06-proxy-off  shim and GRUB of Debian 12, beside another DHCP server, Secure Boot off
# long: matrix-grub-2.06-proxy-on  shim and GRUB of Debian 12, beside another DHCP server, Secure Boot on
# long: matrix-grub-2.06-relay-off  shim and GRUB of Debian 12, behind a relay, Secure Boot off
# long: matrix-grub-2.06-relay-on  shim and GRUB of Debian 12, behind a relay, Secure Boot on
# long: matrix-grub-2.12-server-off  shim and GRUB of Debian 13, Secure Boot off
# long: matrix-grub-2.12-server-on  shim and GRUB of Debian 13, Secure Boot on
# long: matrix-grub-2.12-proxy-off  shim and GRUB of Debian 13, beside another DHCP server, Secure Boot off
# long: matrix-grub-2.12-proxy-on  shim and GRUB of Debian 13, beside another DHCP server, Secure Boot on
# long: matrix-grub-2.12-relay-off  shim and GRUB of Debian 13, behind a relay, Secure Boot off
# long: matrix-grub-2.12-relay-on  shim and GRUB of Debian 13, behind a relay, Secure Boot on
# long: matrix-grub-2.14-server-off  shim and GRUB of Debian sid, Secure Boot off
# long: matrix-grub-2.14-server-on  shim and GRUB of Debian sid, Secure Boot on
# long: matrix-grub-2.14-proxy-off  shim and GRUB of Debian sid, beside another DHCP server, Secure Boot off
# case: matrix-grub-2.14-proxy-on  shim and GRUB of Debian sid, beside another DHCP server, Secure Boot on
# long: matrix-grub-2.14-relay-off  shim and GRUB of Debian sid, behind a relay, Secure Boot off
# long: matrix-grub-2.14-relay-on  shim and GRUB of Debian sid, behind a relay, Secure Boot on
# long: matrix-shim-dual-firmware-2011  shim with both of Microsoft's signatures, firmware that trusts 2011
# long: matrix-shim-dual-firmware-2023  shim with both of Microsoft's signatures, firmware that trusts 2023
# long: matrix-shim-dual-firmware-both  shim with both of Microsoft's signatures, firmware that trusts both
# long: matrix-shim-2011-firmware-2011  shim with Microsoft's signature of 2011 alone, firmware that trusts 2011
# case: matrix-shim-2011-firmware-2023  shim with Microsoft's signature of 2011 alone, firmware that trusts 2023
# long: matrix-shim-2011-firmware-both  shim with Microsoft's signature of 2011 alone, firmware that trusts both

# --- loaders -----------------------------------------------------------------------------------

# loader_set NAME: fills LOGS/loaders with exactly one set of loaders.
loader_set() {
    mkdir -p "$LOGS/loaders"
    case $1 in
    ipxe-2019) cp /usr/lib/ipxe/snponly.efi "$LOGS/loaders/snponly-x86_64.efi" ;;
    ipxe-2.0)
        ipxe_2 >/dev/null
        rm -f "$LOGS/loaders"/{snponly-arm64.efi,undionly.kpxe}
        ;;
    ipxe-shim) ipxe_behind_shim ;;
    grub-2.06) signed_loaders bookworm >/dev/null ;;
    grub-2.12) signed_loaders trixie >/dev/null ;;
    grub-2.14) signed_loaders sid >/dev/null ;;
    esac
}

# Creates two keys once: KEYS-firmware, trusted by a machine's firmware, and KEYS-vendor, known only
# to a shim; each with .key and .pem.
own_keys() {
    local name
    KEYS=$REPO/target/boot/matrix
    need_tools openssl=openssl sbsign=sbsigntool sbattach=sbsigntool objcopy=binutils
    (
        flock 9
        for name in firmware vendor; do
            [[ ! -e $KEYS-$name.pem ]] || continue
            openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=lanboot tests, $name" \
                -keyout "$KEYS-$name.key" -out "$KEYS-$name.new" 2>/dev/null
            mv "$KEYS-$name.new" "$KEYS-$name.pem"
        done
    ) 9>"$KEYS.lock"
}

# signed KEY FROM TO
signed() {
    sbsign --key "$KEYS-$1.key" --cert "$KEYS-$1.pem" --output "$3" "$2" >>"$LOGS/sign.log" 2>&1 ||
        fail "sbsign: $(tail -n 1 "$LOGS/sign.log")"
}

# bare_shim FILE SIGNATURES: copies Debian's shim with this number of its two signatures.
bare_shim() {
    local dir=$REPO/target/boot/signed-bookworm
    signed_loaders bookworm >/dev/null
    rm -f "$LOGS/loaders"/*
    cp "$dir/usr/lib/shim/shimx64.efi.signed" "$1"
    while (($(sbverify --list "$1" 2>/dev/null | grep -c '^signature ') > $2)); do
        sbattach --signum "$(sbverify --list "$1" 2>/dev/null | grep -c '^signature ')" --remove "$1" >>"$LOGS/sign.log" 2>&1 ||
            fail "a signature of shim cannot be removed: $(tail -n 1 "$LOGS/sign.log")"
    done
}

ipxe_behind_shim() {
    local work=$LOGS/signing
    own_keys
    mkdir -p "$work"
    bare_shim "$work/shim.efi" 0
    # The table of certificates: two sizes, two offsets, then the certificate (shim's cert.S).
    openssl x509 -in "$KEYS-vendor.pem" -outform der -out "$work/cert.der"
    python3 - "$work/cert.der" >"$work/vendor" <<'END'
import struct, sys
cert = open(sys.argv[1], "rb").read()
sys.stdout.buffer.write(struct.pack("<4I", len(cert), 0, 16, 16 + len(cert)) + cert)
END
    objcopy --update-section .vendor_cert="$work/vendor" "$work/shim.efi" "$work/shim-own.efi" >>"$LOGS/sign.log" 2>&1 ||
        fail "the vendor certificate of shim cannot be replaced: $(tail -n 1 "$LOGS/sign.log")"
    ipxe_2 >/dev/null
    cp "$LOGS/loaders/snponly-x86_64.efi" "$work/snponly.efi"
    rm -f "$LOGS/loaders"/*
    signed firmware "$work/shim-own.efi" "$LOGS/loaders/snponly-shim.efi"
    signed vendor "$work/snponly.efi" "$LOGS/loaders/snponly.efi"
}

# --- firmware ----------------------------------------------------------------------------------

# virt_fw_vars ARGS…: runs Debian's python3-virt-firmware, whose package for Debian 12 is too old.
virt_fw_vars() {
    local dir=$REPO/target/boot/virt-firmware
    "$REPO/tests/images/fetch" "$dir" sid python3-virt-firmware:all || fail "virt-firmware cannot be fetched"
    PYTHONPATH=$dir/usr/lib/python3/dist-packages /usr/bin/python3 -B -m virt.firmware.vars "$@" >>"$LOGS/virt-fw-vars.log" 2>&1 ||
        fail "virt-fw-vars: $(tail -n 1 "$LOGS/virt-fw-vars.log") (needs python3-cryptography, python3-pefile)"
}

# firmware_that_trusts WHAT: sets GUEST_VARS: 2011 or 2023, Microsoft's keys of that year; both;
# own, those of 2011 and the test's.
firmware_that_trusts() {
    local dir
    GUEST_VARS=$LOGS/trusts-$1.fd
    case $1 in
    2011) cp "$OVMF/OVMF_VARS_4M.ms.fd" "$GUEST_VARS" ;;
    2023) virt_fw_vars -i "$OVMF/OVMF_VARS_4M.fd" --enroll-generate "lanboot tests" --microsoft-db uefi23 \
        --microsoft-kek 2023 --sb -o "$GUEST_VARS" ;;
    both)
        dir=$REPO/target/boot/ovmf-sid
        "$REPO/tests/images/fetch" "$dir" sid ovmf-generic:all || fail "OVMF of sid cannot be fetched"
        cp "$dir/usr/share/OVMF/OVMF_VARS_4M.ms.fd" "$GUEST_VARS"
        ;;
    own)
        own_keys
        virt_fw_vars -i "$OVMF/OVMF_VARS_4M.ms.fd" --add-db 4c414e42-4f4f-5400-8000-000000000001 "$KEYS-firmware.pem" --sb -o "$GUEST_VARS"
        ;;
    esac
}

# --- one cell ----------------------------------------------------------------------------------

# matrix_serve MODE: starts the server, and other servers beside it.
matrix_serve() {
    local flags=(--menu-timeout 0 --append "$QUIET ignore_loglevel" --loaders "$LOGS/loaders")
    case $1 in
    proxy)
        LANBOOT_DHCP=(--dhcp proxy)
        start_other
        ;;
    relay)
        far_subnet
        GUEST_LAN=rly
        ;;
    esac
    start_server "$IMAGE" -- "${flags[@]}"
    [[ $1 != relay ]] || start_relay
}

# found WHAT: records the result of this cell for the table.
found() {
    mkdir -p "$REPO/target/boot/matrix"
    echo "$1" >"$REPO/target/boot/matrix/${LOGS##*/}"
    step "$1"
}

# up WHERE: waits until the machine is up, or the kernel of an installer runs.
up() {
    if [[ $IMAGE == */debian*.iso ]]; then
        wait_line "$SERIAL" 'Linux version' "$DEADLINE" "$GUEST_PID" >/dev/null ||
            fail "no kernel in $DEADLINE s; the server said last: $(last_events)"
        wait_line "$SERIAL" '[Ss]ecure boot enabled' "$DEADLINE" "$GUEST_PID" >/dev/null || fail "the kernel does not see Secure Boot"
    else
        wait_up 1 "$DEADLINE"
        expect transport http
    fi
    found "$(awk -v a="$POWERED" -v b="$(date +%s.%N)" 'BEGIN {printf "%.0f s", b - a}')${1:+, $1}"
}

# sentence REGEX: sets SENTENCE to the first match in the log, without this machine's paths.
sentence() {
    SENTENCE=$(sentences | grep -m 1 -oE "$1" | sed "s|$LOGS/loaders/||g; s/ *$//") || fail "no event says /$1/; the server said last: $(last_events)"
}

# refused REGEX: the log must match, and the firmware give up by itself.
refused() {
    local line
    line=$(wait_line "$SERIAL" 'BdsDxe: failed to (load|start) Boot' "$DEADLINE" "$GUEST_PID") || {
        screen "$LOGS/screen.png"
        fail "the firmware does not give up; see screen.png; the server said last: $(last_events)"
    }
    line=$(tr -d '\r' <<<"${line##*: }")
    step "the firmware says: $line"
    sentence "$1"
    found "firmware: $line; lanboot: $SENTENCE"
}

# A GRUB that requests its files from the server of the addresses is not offered beside one.
is_deaf_to_proxies() { [[ $1-$2 == grub-2.06-proxy ]]; }

# Messages of an offer if nothing starts with Secure Boot on.
NOTHING='(it starts only with Secure Boot off|iPXE, which does not start with Secure Boot on, instead of GRUB: .* would look for its files[^;]*hang)'

# matrix LOADER MODE SECURE
matrix() {
    local loader=$1 mode=$2 secure=$3
    rm -f "$REPO/target/boot/matrix/${LOGS##*/}"
    GUEST_FIRMWARE=uefi GUEST_MEMORY=1024
    loader_set "$loader"
    if [[ $secure == on ]]; then
        GUEST_FIRMWARE=secure
        [[ $loader != ipxe-shim ]] || firmware_that_trusts own
    fi
    # With Secure Boot on GRUB starts only a signed kernel, and iPXE only one with its vendor's shim
    # beside it; iPXE without a shim does not start at all.
    case $loader-$secure in
    grub-*-on) image debian-bare ;;
    ipxe-shim-on) image debian-shim ;;
    *) image arch ;;
    esac
    # The alternative to shim and GRUB that cannot be offered.
    ! is_deaf_to_proxies "$loader" "$mode" || cp /usr/lib/ipxe/snponly.efi "$LOGS/loaders/snponly-x86_64.efi"
    matrix_serve "$mode"
    POWERED=$(date +%s.%N)
    start_guest 1
    case $loader-$secure in
    ipxe-2*-on) refused "$NOTHING" ;;
    *)
        if ! is_deaf_to_proxies "$loader" "$mode"; then
            up
        elif [[ $secure == on ]]; then
            refused "$NOTHING"
        else
            sentence 'GRUB 2\.06 \(.*would look for its files[^)]*\)?'
            up "by iPXE: $SENTENCE"
        fi
        ;;
    esac
    [[ $loader != ipxe-shim ]] || has_sent_file '/?loader/.*shim.*\.efi'
    [[ $loader != grub-* ]] || is_deaf_to_proxies "$loader" "$mode" || this_grub
}

# The machine had GRUB, and the one under test.
this_grub() {
    has_sent_file '/?loader/secure/x86_64/grubx64.efi'
    in_srv "$BOOT/within" 20 curl -sS --fail -o "$LOGS/sent-grub" "http://$SERVER_ADDRESS/loader/secure/x86_64/grubx64.efi" ||
        fail "the GRUB that is served cannot be read"
    cmp -s "$LOGS/sent-grub" "$LOGS/loaders/grubx64.efi" || fail "another GRUB than the one under test is served"
}

# shim_on SIGNATURES FIRMWARE: boots Debian's shim and GRUB with one kind of firmware.
shim_on() {
    GUEST_FIRMWARE=secure GUEST_MEMORY=1024
    firmware_that_trusts "$2"
    if [[ $1 == dual ]]; then
        loader_set grub-2.12
    else
        mkdir -p "$LOGS/signing"
        bare_shim "$LOGS/signing/shim.efi" 1
        sbverify --list "$LOGS/signing/shim.efi" 2>/dev/null | grep 'UEFI CA 2011' >/dev/null || fail "the signature of 2011 is not the first"
        loader_set grub-2.12
        cp "$LOGS/signing/shim.efi" "$LOGS/loaders/shimx64.efi"
    fi
    rm -f "$REPO/target/boot/matrix/${LOGS##*/}"
    # An image without its own shim, so that this one is used.
    image arch
    matrix_serve server
    POWERED=$(date +%s.%N)
    start_guest 1
    if [[ $1-$2 == 2011-2023 ]]; then
        refused 'the shim [^ ]*shimx64\.efi starts only on machines that trust .* of 2011.*'
    else
        wait_event "$DEADLINE" --pid "$GUEST_PID" planned 'code~^secure_boot_(on|rejects_kernel|no_image)$' >/dev/null || fail "GRUB does not run"
        found "$(awk -v a="$POWERED" -v b="$(date +%s.%N)" 'BEGIN {printf "%.0f s", b - a}')"
    fi
}

for MATRIX_LOADER in ipxe-2019 ipxe-2.0 ipxe-shim grub-2.06 grub-2.12 grub-2.14; do
    for MATRIX_MODE in server proxy relay; do
        for MATRIX_SECURE in off on; do
            eval "case_matrix-$MATRIX_LOADER-$MATRIX_MODE-$MATRIX_SECURE() { matrix $MATRIX_LOADER $MATRIX_MODE $MATRIX_SECURE; }"
        done
    done
done
for MATRIX_FIRMWARE in 2011 2023 both; do
    eval "case_matrix-shim-dual-firmware-$MATRIX_FIRMWARE() { shim_on dual $MATRIX_FIRMWARE; }"
    eval "case_matrix-shim-2011-firmware-$MATRIX_FIRMWARE() { shim_on 2011 $MATRIX_FIRMWARE; }"
done
