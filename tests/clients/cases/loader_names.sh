# shellcheck shell=bash
# File names a shim derives for the program it starts, over TFTP and HTTP, in its folder and in the
# root.
#
# case: loader-names  iPXE 2.0's published file names; a garbled name of the second stage
# images: loader-names arch

case_loader-names() {
    local chain name
    clients_up "$LOGS"
    need_tools tftp=tftp-hpa
    chain=$REPO/target/clients/signed
    "$REPO/tests/images/fetch" "$chain" bookworm shim-signed:amd64 grub-efi-amd64-signed:amd64 ||
        fail "Debian's signed loaders cannot be fetched"
    CHAIN_SHIM=$chain/usr/lib/shim/shimx64.efi.signed
    CHAIN_NEXT=$chain/usr/lib/grub/x86_64-efi-signed/grubnetx64.efi.signed
    names_of_ipxe
    names_without_a_shim
    mkdir "$LOGS/grub"
    cp "$CHAIN_SHIM" "$LOGS/grub/shimx64.efi"
    cp "$CHAIN_NEXT" "$LOGS/grub/grubx64.efi"
    START_LOG=grub serve --loaders "$LOGS/grub" "$(image arch)"
    for name in grubx64.efi grub.efi $'\xeaonboard' $'\xefUSB' Onboard; do
        sends "loader/secure/x86_64/$name" "$CHAIN_NEXT"
    done
    sends $'\xeaonboard' "$CHAIN_NEXT"
    for name in revocations_sku.efi revocations_sbat.efi shim_certificate_0.efi fbx64.efi mmx64.efi grubaa64.efi; do
        lacks "loader/secure/x86_64/$name"
    done
    has_event diagnostic code=secure_boot_shim "text~ $LOGS/grub/shimx64\.efi .* 2011 or of 2023$" ||
        wrong "the start does not say on which machines the shim starts"
    # Firmware that rejects the shim loads it again and nothing after it.
    wait_until 30 shim_again || wrong "the log does not say that firmware may refuse the shim"
    stop_server
    step "shim and GRUB under garbled names"
}

shim_again() {
    in_lan timeout 30 tftp -m binary "$SERVER_ADDRESS" -c get loader/secure/x86_64/shimx64.efi "$LOGS/by-tftp" >>"$LOGS/tftp.log" 2>&1
    has_event planned code=shim_refused "ip=$LAN_ADDRESS" 'text~ 2011 or of 2023$'
}

# Plain iPXE is unsigned.
names_without_a_shim() {
    mkdir "$LOGS/bare"
    cp /usr/lib/ipxe/snponly.efi "$LOGS/bare/" || fail "missing tools: apt-get install -y ipxe"
    START_LOG=bare serve --loaders "$LOGS/bare" "$(image arch)"
    has_event diagnostic code=secure_boot_no_loader 'text~^x64 UEFI .*; install ' ||
        wrong "the start does not say that Secure Boot has nothing to start"
    ! has_event any text~arm64 || wrong "the start mentions machines no image is for"
    stop_server
    step "iPXE alone"
}

# Debian's shim stands for iPXE's, and a program it trusts for iPXE: the real set is not packaged.
names_of_ipxe() {
    local layout shim name said
    for layout in snponly-shim.efi ipxe-shimx64.efi x86_64-sb/ipxe-shim.efi; do
        rm -rf "$LOGS/ipxe"
        mkdir -p "$(dirname "$LOGS/ipxe/$layout")"
        cp "$CHAIN_SHIM" "$LOGS/ipxe/$layout"
        cp "$CHAIN_NEXT" "$(dirname "$LOGS/ipxe/$layout")/snponly.efi"
        said=$("$LANBOOT" doctor --loaders "$LOGS/ipxe") || true
        grep -qE '^x64 UEFI, Secure Boot on +yes +iPXE behind its own shim' <<<"$said" || wrong "doctor does not know $layout: $said"
    done
    START_LOG=ipxe serve --loaders "$LOGS/ipxe" "$(image arch)"
    for shim in snponly-shimx64.efi snponly-shim.efi ipxe-shim.efi; do
        sends "loader/secure-ipxe/x86_64/$shim" "$CHAIN_SHIM"
    done
    for name in loader/secure-ipxe/x86_64/{snponly,ipxe,snponlyx64}.efi ipxe.efi snponly.efi; do
        sends "$name" "$CHAIN_NEXT"
    done
    lacks loader/secure-ipxe/x86_64/revocations_sku.efi
    stop_server
    step "iPXE behind its own shim, as it is published"
}

# sends PATH FILE: both servers serve FILE for this path.
sends() {
    get "http://$SERVER_ADDRESS/$(python3 -c 'import os, sys, urllib.parse; print(urllib.parse.quote(os.fsencode(sys.argv[1])))' "$1")" "$LOGS/by-http" ||
        wrong "$1 is not served over HTTP"
    same "$2" "$LOGS/by-http" "$1 by HTTP"
    rm -f "$LOGS/by-tftp"
    in_lan timeout 30 tftp -m binary "$SERVER_ADDRESS" -c get "$1" "$LOGS/by-tftp" >>"$LOGS/tftp.log" 2>&1 || wrong "$1 is not served over TFTP"
    same "$2" "$LOGS/by-tftp" "$1 by TFTP"
}

lacks() { ! get "http://$SERVER_ADDRESS/$1" "$LOGS/by-http" 2>/dev/null || wrong "there is a $1"; }
