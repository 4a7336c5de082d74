# shellcheck shell=bash
# case: dhcp-kinds  stages of one machine, proxy ARP, unrequested options, relay options, unusual firmware, unusable ranges
#
# Unusual machines and networks, as raw packets; udhcpc where possible.

case_dhcp-kinds() {
    clients_up "$LOGS"
    need_tools busybox=busybox-static
    local number
    for number in 1 2 3 4; do client_up "$number"; done
    kinds_stages
    kinds_two_clients
    kinds_proxy_arp
    kinds_aliases
    kinds_decline
    kinds_options
    kinds_relay
    kinds_firmware
    kinds_ranges
    kinds_second_address
}

# kinds NUMBER COMMAND…: runs the scripted client with that client's hardware address.
kinds() { in_client "$1" timeout 30 python3 "$CLIENTS/kinds" eth0 "$(client_mac "$1")" "${@:2}"; }

# keep NUMBER ADDRESS: the kernel of a client answers for this address only.
keep() {
    in_client "$1" ip address flush dev eth0 scope global
    [[ -z ${2:-} ]] || in_client "$1" ip address add "$2/24" dev eth0
}

kinds_serve() { # LOG FLAGS…
    rm -rf "$LOGS/$1state"
    START_LOG=$1 start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp server "${@:2}"
}

# Option 61: firmware's UUID; iPXE's and NetworkManager's hardware address; networkd's DUID.
stage_ids() {
    local mac
    mac=$(client_mac 1)
    FIRMWARE=id=00$(printf '42%.0s' {1..16})
    IPXE=id=01${mac//:/}
    NETWORKD=id=ff0000000100020000ab110102030405060708
    INITRAMFS=id=ff0000000100020000ab11a1a2a3a4a5a6a7a8
}

# From firmware to the system, while the kernel keeps the address of an earlier stage.
kinds_stages() {
    local first found stage
    stage_ids
    kinds_serve stages --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    found=$(kinds 1 lease "$FIRMWARE" class=PXEClient:Arch:00007:UNDI:003016)
    first=${found%% *}
    in_pool "$first" || wrong "firmware got '$found'"
    keep 1 "$first"
    for stage in "$IPXE" "" "$INITRAMFS" "$IPXE" "$NETWORKD" "$INITRAMFS" "$NETWORKD"; do
        found=$(kinds 1 lease ${stage:+"$stage"})
        [[ ${found%% *} == "$first" ]] || wrong "stage '$stage' of a machine that keeps $first got '${found%% *}'"
        [[ $(kinds 1 reboot "$first" ${stage:+"$stage"}) == ACK ]] || wrong "stage '$stage' cannot go on with $first"
        found=$(kinds 1 lease ${stage:+"$stage"} "wish=$first")
        [[ ${found%% *} == "$first" ]] || wrong "stage '$stage' that wishes $first got '${found%% *}'"
    done
    { ! has_event diagnostic 'code~^(address_in_use|shared_hardware_address|address_conflict)$' &&
        ! has_event ignored reason=addresses_in_use; } || wrong "it says of a machine's own address: $(event_texts 'diagnostic|ignored')"
    # systemd#21967: no stage asked to boot; udhcpc sends its hardware address.
    keep 2
    udhcpc 2 'busybox udhcpc' -f -n -q -t 4 -T 1
    first=$(leased 2 ip)
    in_pool "$first" || wrong "udhcpc got '$first'"
    found=$(kinds 2 lease "$NETWORKD")
    [[ ${found%% *} == "$first" ]] || wrong "networkd after udhcpc, which keeps $first, got '${found%% *}'"
    keep 1
    keep 2
    stop_server
    step "one address from firmware to the system, whatever each stage calls itself"
}

# Two clients with one hardware address, the second long after the first got its lease.
kinds_two_clients() {
    local first found
    kinds_serve two --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    found=$(kinds 1 lease id=00aa)
    first=${found%% *}
    keep 1 "$first"
    found=$(kinds 1 lease id=00bb)
    [[ -n $first && ${found%% *} != "$first" ]] || wrong "two clients behind one hardware address both got '$first'"
    in_pool "${found%% *}" || wrong "the second client got '$found'"
    expect_event 2 diagnostic code=shared_hardware_address "text~^$first .* $(client_mac 1)\b"
    in_client 1 ip address add "${found%% *}/24" dev eth0
    [[ $(kinds 1 renew "$first" id=00aa) == ACK ]] || wrong "the first client cannot renew $first"
    [[ $(kinds 1 renew "${found%% *}" id=00bb) == ACK ]] || wrong "the second client cannot renew ${found%% *}"
    keep 1
    stop_server
    step "two clients that hold leases stay two"
}

# A router that answers ARP for everything, as in lwip's PR#95.
kinds_proxy_arp() {
    local liar first found begun took
    kinds_serve proxy-arp --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    # Not a function: its process would be a waiting shell.
    ip netns exec "$LAB-c3" python3 "$CLIENTS/kinds" eth0 "$(client_mac 3)" arp-all "$SERVER_ADDRESS" "$LAN_ADDRESS" >"$LOGS/arp-all" &
    liar=$!
    LAB_PIDS+=("$liar")
    wait_line "$LOGS/arp-all" ready 5 >/dev/null || fail "nobody answers ARP"
    begun=$(date +%s.%N)
    found=$(kinds 1 lease)
    took=$(since "$begun")
    first=${found%% *}
    in_pool "$first" || wrong "beside proxy ARP the first machine got '$found'"
    found=$(kinds 2 lease)
    { in_pool "${found%% *}" && [[ ${found%% *} != "$first" ]]; } || wrong "beside proxy ARP the second machine got '$found'"
    (($(count_events diagnostic code=proxy_arp "text~^$(client_mac 3) on srv0 ") == 1)) ||
        wrong "proxy ARP is not said exactly once: $(event_texts diagnostic code=proxy_arp)"
    kill "$liar"
    wait "$liar" 2>/dev/null || true
    stop_server
    step "beside a router that answers every ARP: the first lease after $took s"
}

# A machine with three static addresses in the range, which answers no pings.
kinds_aliases() {
    local address found
    kinds_serve aliases --range 192.168.77.60-192.168.77.64 "$(image arch)"
    in_client 3 sysctl -qw net.ipv4.icmp_echo_ignore_all=1
    for address in 60 62 64; do in_client 3 ip address add "192.168.77.$address/24" dev eth0; done
    for address in 60 62 64; do
        found=$(kinds 1 lease "wish=192.168.77.$address" "id=00$address")
        [[ ${found%% *} == 192.168.77.6[13] || $found == nothing ]] || wrong "an address somebody has by hand was given: '$found'"
    done
    in_client 3 sysctl -qw net.ipv4.icmp_echo_ignore_all=0
    keep 3
    stop_server
    step "three addresses by hand are left alone"
}

# A forged DECLINE in the name of a running machine; then a real one, for an address in use by
# another machine.
kinds_decline() {
    local first again
    kinds_serve decline --range 192.168.77.80-192.168.77.89 "$(image arch)"
    first=$(kinds 1 lease)
    first=${first%% *}
    keep 1 "$first"
    for again in 1 2 3 4 5; do
        in_client 2 python3 "$CLIENTS/kinds" eth0 "$(client_mac 1)" decline "$first" "$SERVER_ADDRESS"
        wait_events "$again" 5 ignored request=DHCPDECLINE reason=false_decline || wrong "forged DECLINE $again: $(last_events)"
    done
    [[ $(kinds 1 renew "$first") == ACK ]] || wrong "after five forged DECLINEs the machine cannot renew $first"
    again=$(kinds 1 lease)
    [[ ${again%% *} == "$first" ]] || wrong "after five forged DECLINEs the machine gets '${again%% *}', not $first"
    keep 1
    keep 3 "$first"
    kinds 1 decline "$first" "$SERVER_ADDRESS"
    expect_event 3 dhcp message=DHCPDECLINE interface=srv0 "address=$first" "mac=$(client_mac 1)"
    again=$(kinds 1 lease)
    [[ ${again%% *} == 192.168.77.8? && ${again%% *} != "$first" ]] || wrong "it declined $first and got '${again%% *}'"
    keep 3
    stop_server
    step "forged DECLINEs are found out, true ones are not"
}

kinds_options() {
    printf '%s\n' '[[subnet]]' 'network = "192.168.77.0/24"' "range = \"$POOL_FIRST-$POOL_LAST\"" 'router = "192.168.77.254"' \
        'option.42 = ["192.168.77.3"]' 'option.108 = "hex:00 00 07 08"' 'option.114 = "https://portal.example/"' 'always-send = [114]' >"$LOGS/options.toml"
    kinds_serve options --config "$LOGS/options.toml" "$(image arch)"
    has_options 1 'list=1,3' ',1,3,' ',42,|,108,|,28,'
    has_options 1 'list=1,3,42' ',42,' ',108,'
    has_options 1 'list=1,3,108' ',108,' ',42,'
    has_options 1 '' ',42,' ',108,'
    has_options 1 'list=1' ',114,' ',3,|,42,|,108,'
    stop_server
    printf '%s\n' "images = ['$(image arch)']" '[[subnet]]' 'network = "192.168.77.0/24"' 'option.108 = "hex:00 00 07 08"' 'always-send = [108]' >"$LOGS/wrong.toml"
    refuses 1 --address "$SERVER_ADDRESS/24" --dhcp server --config "$LOGS/wrong.toml"
    says 'option 108 .* only goes to machines that ask for it \(RFC 8925' 'option 108 always'
    step "options go to who asks for them"
}

# has_options NUMBER LIST REGEX NOT-REGEX: checks the options sent to a client with this option 55.
has_options() {
    local found
    found=$(kinds "$1" lease ${2:+"$2"})
    # Enclosed in commas, in order of their codes.
    found=,$(tr ',' '\n' <<<"${found##*options=}" | sort -n | paste -s -d ','),
    [[ $found =~ ${3//|/.*} ]] || wrong "asking '$2': expected /$3/ among $found"
    ! grep -qE "$4" <<<"$found" || wrong "asking '$2': expected no /$4/ among $found"
}

kinds_relay() {
    local found
    in_client 4 ip address add 192.168.77.9/24 dev eth0
    kinds_serve relay --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    found=$(in_client 4 timeout 30 python3 "$CLIENTS/kinds" - 52:54:00:4c:44:01 relay "$SERVER_ADDRESS" 192.168.77.9 40067 010200071300)
    [[ $found == "OFFER port=40067 82=010200071300" ]] || wrong "RFC 8357: '$found'"
    found=$(in_client 4 timeout 30 python3 "$CLIENTS/kinds" - 52:54:00:4c:44:02 relay "$SERVER_ADDRESS" 192.168.77.9 40067 01020007)
    [[ $found == "OFFER port=67 82=01020007" ]] || wrong "a relay that does not ask for its port: '$found'"
    found=$(in_client 4 timeout 30 python3 "$CLIENTS/kinds" - 52:54:00:4c:44:03 relay "$SERVER_ADDRESS" 192.168.77.9 67000 00 2>&1) && wrong "port 67000 exists"
    found=$(in_client 4 timeout 30 python3 "$CLIENTS/kinds" - 52:54:00:4c:44:03 relay "$SERVER_ADDRESS" 192.168.77.9 40067 "$(printf '0102%04x' {1..100} | tr -d ' ')")
    [[ $found == "OFFER port=67 82=-" ]] || wrong "an option 82 of 400 bytes: '$found'"
    expect_event 2 diagnostic code=relay_option_too_long 'text~ 192\.168\.77\.9 .* 400 '
    keep 4
    stop_server
    step "a relay's own port; an option 82 that does not fit is logged"
}

# PXEClient without an architecture, as a server and as a proxy; a Raspberry Pi 5.
kinds_firmware() {
    local mode
    for mode in server proxy; do
        rm -rf "$LOGS/firmware-${mode}state"
        START_LOG=firmware-$mode start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp "$mode" --loader pxelinux "$(image arch)"
        [[ $mode == server ]] && in_client 1 timeout 60 python3 "$CLIENTS/offers" eth0 pxe:-/- pxe:0@rpi5 pxe:0@pi >"$LOGS/firmware-$mode"
        [[ $mode == proxy ]] && in_client 1 timeout 60 python3 "$CLIENTS/offers" eth0 proxy pxe:-/- pxe:0@rpi5 pxe:0@pi >"$LOGS/firmware-$mode"
        grep -q '^pxe:-/- .*file=.*lpxelinux.0' "$LOGS/firmware-$mode" || wrong "$mode, PXEClient without a number: $(cat "$LOGS/firmware-$mode")"
        ! grep -q '^pxe:0@.*lpxelinux' "$LOGS/firmware-$mode" || wrong "$mode, a Raspberry Pi gets a PC's loader: $(cat "$LOGS/firmware-$mode")"
        stop_server
    done
    step "PXEClient without a number is BIOS, a Raspberry Pi 5 is none"
}

kinds_ranges() {
    local range
    for range in "$SERVER_ADDRESS-$SERVER_ADDRESS" 192.168.77.255-192.168.77.255 192.168.77.0-192.168.77.1; do
        refuses 1 --address "$SERVER_ADDRESS/24" --dhcp server --range "$range" "$(image arch)"
        says "--range $range has no address for a machine: " "--range $range"
    done
    refuses 1 --address "$SERVER_ADDRESS/24" --dhcp auto --range 192.168.77.1-192.168.77.2 --router 192.168.77.2 "$(image arch)"
    says 'has no address for a machine' "a range of lanboot and its router"
    step "a range without an address for a machine is refused"
}

kinds_second_address() {
    in_srv ip address add "$SERVER_ADDRESS/24" dev srv0
    in_srv ip address add 10.5.0.1/24 dev srv0
    printf '%s\n' '[[subnet]]' 'network = "10.5.0.0/24"' >"$LOGS/second.toml"
    rm -rf "$LOGS/secondstate"
    START_LOG=second start_ready --dhcp server --config "$LOGS/second.toml" "$(image arch)"
    expect_event 2 diagnostic code=subnet_not_served 'text~ 10\.5\.0\.0/24: 10\.5\.0\.1 .* srv0\b.*--address 10\.5\.0\.1/24'
    ! has_event diagnostic code=subnet_without_router || wrong "it speaks of a router: $(event_texts diagnostic code=subnet_without_router)"
    stop_server
    # Its suggestion works.
    START_LOG=second-named start_ready --dhcp server --address 10.5.0.1/24 --config "$LOGS/second.toml" "$(image arch)"
    ask 1
    [[ $ADDRESS == 10.5.0.* ]] || wrong "--address 10.5.0.1/24: the client got '$ADDRESS'"
    stop_server
    in_srv ip address flush dev srv0 scope global
    step "a second address of the interface is said"
}
