# shellcheck shell=bash
# Two interfaces, two networks, one program.
#
#   srv0 192.168.77.1 ── lan0: clients 1, 2      srv1 10.77.0.1 ── lan1: client 4

SECOND_ADDRESS=10.77.0.1

case_interfaces() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base busybox=busybox-static tftp=tftp-hpa nbdinfo=libnbd-bin showmount=nfs-common
    local number
    for number in 1 2; do client_up "$number"; done
    second_lan_up
    client_up_on lan1 4
    interfaces_words
    interfaces_serve
    interfaces_one_each
}

# second_lan_up: adds another network, on the server's card srv1.
second_lan_up() {
    ip -n "$LAB-lan" link add lan1 type bridge mcast_snooping 0 forward_delay 0
    ip link add srv1 netns "$LAB-srv" type veth peer name port1 netns "$LAB-lan"
    ip -n "$LAB-lan" link set port1 master lan1 up
    ip -n "$LAB-lan" link set lan1 up
    ip -n "$LAB-srv" link set srv1 up
}

# client_up_on BRIDGE NUMBER: like client_up, on another network.
client_up_on() {
    client_up "$2"
    ip -n "$LAB-lan" link set "c$2" master "$1"
}

# start_both FLAGS…: like start_ready, on both cards.
start_both() { start_ready --interface srv1 --address "srv0=$SERVER_ADDRESS/$SERVER_PREFIX" --address "srv1=$SECOND_ADDRESS/24" "$@"; }

interfaces_words() {
    local image
    image=$(image arch)
    refuses 1 --interface srv1 --address "$SERVER_ADDRESS/24" "$image"
    says "write srv0=$SERVER_ADDRESS/24 or srv1=$SERVER_ADDRESS/24" "an address for one of two"
    refuses 1 --interface srv1 --address "srv2=$SERVER_ADDRESS/24" "$image"
    says 'add --interface srv2' "an address for an interface not served"
    refuses 1 --interface srv1 --address "srv0=$SERVER_ADDRESS/24" --address "srv1=$SECOND_ADDRESS/24" --range 10.77.0.5-10.77.0.9 "$image"
    says '--range is for one interface' "a range for two"
    refuses 1 --interface srv1 --address srv0=10.77.0.2/24 --address "srv1=$SECOND_ADDRESS/24" --dhcp server "$image"
    says 'the networks 10\.77\.0\.2/24 and 10\.77\.0\.1/24 overlap' "two interfaces in one network"
    [[ -z $(ip -n "$LAB-srv" -o address show scope global) ]] || wrong "a failed start left $(ip -n "$LAB-srv" -o address show scope global)"
    printf 'images = ["%s"]\n[[subnet]]\nnetwork = "10.77.0.0/24"\nrange = "10.77.0.9-10.77.1.9"\n' "$image" >"$LOGS/wrong.toml"
    refuses 1 --interface srv1 --address "srv0=$SERVER_ADDRESS/24" --address "srv1=$SECOND_ADDRESS/24" --dhcp server --config "$LOGS/wrong.toml"
    says 'the range 10\.77\.0\.9-10\.77\.1\.9 is not inside the network 10\.77\.0\.1/24' "a range of another network"
    step "wrong words are refused with the right ones"
}

# Leases, TFTP and HTTP on both, each with its own address; options of a [[subnet]] for one.
interfaces_serve() {
    printf '%s\n' '[[subnet]]' 'network = "10.77.0.0/24"' 'range = "10.77.0.20-10.77.0.29"' 'router = "10.77.0.254"' \
        'dns = "10.77.0.253"' 'domain = "lab.example"' 'lease-time = "1h"' 'option.42 = ["10.77.0.252"]' >"$LOGS/both.toml"
    START_LOG=both start_both --config "$LOGS/both.toml" --dhcp server "$(image arch)"
    expect_event 2 diagnostic code=serving "text~ srv0 \($SERVER_ADDRESS\) .*srv1 \($SECOND_ADDRESS\)" \
        'text~ 192\.168\.77\.100-192\.168\.77\.249 .*10\.77\.0\.20-10\.77\.0\.29\b'
    ask 1
    [[ $ADDRESS == 192.168.77.1* || $ADDRESS == 192.168.77.2* ]] || wrong "srv0: the client got '$ADDRESS'"
    [[ -z $(leased 1 router)$(leased 1 domain) && $(leased 1 lease) == 43200 && $(leased 1 serverid) == "$SERVER_ADDRESS" ]] || wrong "srv0: got $(paste -s -d ' ' "$LOGS/lease-1")"
    ask 4 -O ntpsrv
    [[ $ADDRESS == 10.77.0.2? ]] || wrong "srv1: the client got '$ADDRESS'"
    local key
    for key in "router 10.77.0.254" "dns 10.77.0.253" "domain lab.example" "lease 3600" "serverid $SECOND_ADDRESS" "siaddr $SECOND_ADDRESS" "ntpsrv 10.77.0.252"; do
        [[ $(leased 4 "${key%% *}") == "${key#* }" ]] || wrong "srv1: ${key%% *} is '$(leased 4 "${key%% *}")', not '${key#* }'"
    done
    expect_event 2 dhcp message=DHCPACK interface=srv1 "address=$ADDRESS" "mac=$(client_mac 4)"
    step "leases on both, each with its own options"
    interfaces_fetch 1 "$SERVER_ADDRESS"
    interfaces_fetch 4 "$SECOND_ADDRESS"
    step "TFTP, HTTP, NBD and NFS on both"
    # The boot file has the address on the machine's own side.
    python_pxe 4 offers 0 ipxe | grep -q "server=$SECOND_ADDRESS .*67=http://$SECOND_ADDRESS/" || wrong "srv1: iPXE gets $(python_pxe 4 offers 0 ipxe)"
    python_pxe 1 offers 0 ipxe | grep -q "server=$SERVER_ADDRESS .*67=http://$SERVER_ADDRESS/" || wrong "srv0: iPXE gets $(python_pxe 1 offers 0 ipxe)"
    [[ $(python_pxe 4 boot-server "$SECOND_ADDRESS" 0) == "ACK from=$SECOND_ADDRESS:4011 "* ]] || wrong "srv1: port 4011: $(python_pxe 4 boot-server "$SECOND_ADDRESS" 0)"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
    [[ -z $(ip -n "$LAB-srv" -o address show scope global) ]] || wrong "it left an address behind: $(ip -n "$LAB-srv" -o address show scope global)"
    # The leases of both survive a restart.
    local before=$ADDRESS
    START_LOG=both start_both --config "$LOGS/both.toml" --dhcp server "$(image arch)"
    ask 4
    [[ $ADDRESS == "$before" ]] || wrong "srv1: after a restart the client got '$ADDRESS', not $before"
    stop_server
}

python_pxe() {
    local number=$1
    shift
    in_client "$number" "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$(client_mac "$number")" "$@"
}

# interfaces_fetch NUMBER ADDRESS: a client downloads a file by HTTP and by TFTP; the menus name
# ADDRESS.
interfaces_fetch() {
    local file=arch/boot/x86_64/vmlinuz-linux
    in_client "$1" curl -sS --fail -m 20 -o "$LOGS/http-$1" "http://$2/iso/arch/$file" || wrong "HTTP at $2"
    in_client "$1" tftp -m binary "$2" -c get "iso/arch/$file" "$LOGS/tftp-$1" || wrong "TFTP at $2"
    same "$LOGS/http-$1" "$LOGS/tftp-$1" "HTTP and TFTP at $2"
    [[ -s $LOGS/http-$1 ]] || wrong "HTTP at $2: an empty file"
    in_client "$1" curl -sS --fail -m 5 "http://$2/boot.ipxe?memory=1024" | grep "http://$2/iso/arch" >/dev/null || wrong "the menu at $2 does not name it"
    in_client "$1" nbdinfo --list "nbd://$2" >"$LOGS/nbd-$1" 2>&1 || wrong "NBD at $2: $(tail -n 1 "$LOGS/nbd-$1")"
    in_client "$1" showmount -e --no-headers "$2" >"$LOGS/nfs-$1" 2>&1 || wrong "NFS at $2: $(tail -n 1 "$LOGS/nfs-$1")"
}

# Separate modes: beside another server on one interface, alone on the other.
interfaces_one_each() {
    in_client 2 ip address flush dev eth0 scope global
    in_client 2 ip address add 192.168.77.9/24 dev eth0
    other_server 2
    START_LOG=each start_both "$(image arch)"
    expect_event 2 diagnostic code=other_server 'text~ 192\.168\.77\.9\b' interface=srv0
    expect_event 2 diagnostic code=no_other_server interface=srv1
    ask 1 -t 6
    [[ $(leased 1 serverid) == 192.168.77.9 ]] || wrong "srv0: the lease is from '$(leased 1 serverid)'"
    ask 4
    [[ $(leased 4 serverid) == "$SECOND_ADDRESS" ]] || wrong "srv1: the lease is from '$(leased 4 serverid)'"
    step "proxy on one, server on the other"
    other_stop
    stop_server
    # Two cards in one network: its own messages are not another server's.
    ip -n "$LAB-lan" link set port1 master lan0
    START_LOG=same start_ready --interface srv1 --address "srv0=$SERVER_ADDRESS/25" --address srv1=192.168.77.129/25 "$(image arch)"
    ask 1
    [[ -n $ADDRESS ]] || wrong "two cards in one LAN: no lease"
    ! has_event diagnostic "code~$SEES_ANOTHER" || wrong "two cards in one LAN: it takes itself for another: $(event_texts diagnostic "code~$SEES_ANOTHER")"
    stop_server
    ip -n "$LAB-lan" link set port1 master lan1
    step "two cards in one LAN"
}
