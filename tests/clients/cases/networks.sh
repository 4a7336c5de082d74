# shellcheck shell=bash
# case: networks     ports of bridges, one network on two cards, Wi-Fi, firewalls, missing links
#
# Other cards, bridges and firewalls of the host, and the messages about them.
#
#   srv0 192.168.77.1 ── lan0: clients 1, 2      wlan0, br0 …: in the server's namespace,
# unconnected

# Codes of the diagnostics that say of a firewall.
BLAMES_FIREWALL='^(requests_dropped|answers_lost)$'

case_networks() {
    clients_up "$LOGS"
    need_tools busybox=busybox-static tftp=tftp-hpa nbdinfo=libnbd-bin showmount=nfs-common nft=nftables rpcinfo=rpcbind
    local number
    for number in 1 2; do client_up "$number"; done
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX")
    networks_chosen
    networks_port
    networks_enslaved
    networks_shared
    networks_firewall_out
    networks_firewall_in
    networks_no_link
}

# card NAME: creates a card in the server's namespace whose other end is unused.
card() {
    ip link add "$1" netns "$LAB-srv" type veth peer name "$1-end" netns "$LAB-lan"
    ip -n "$LAB-srv" link set "$1" up
    ip -n "$LAB-lan" link set "$1-end" up
}

# said_by FLAGS…: prints lanboot's error without a named interface.
said_by() { in_srv timeout 10 "$LANBOOT" serve --state "$LOGS/refused-state" "$@" 2>&1 || true; }

# start_on NAME FLAGS…: like start, on the interfaces that FLAGS name or lanboot chooses; its log is
# LOGS/NAME.log.
start_on() {
    SERVER_LOG=$LOGS/$1.log
    ip netns exec "$LAB-srv" "$LANBOOT" serve --log json --state "$LOGS/$1-state" "${@:2}" >"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    LAB_PIDS+=("$SERVER_PID")
}

networks_chosen() {
    local image
    image=$(image arch)
    ip -n "$LAB-srv" link set srv0 up
    card wlan0
    ip -n "$LAB-srv" address add 192.168.0.23/24 dev wlan0
    SAID=$(said_by "$image")
    says 'wlan0 192\.168\.0\.23/24 \(Wi-Fi\)' "Wi-Fi alone has an address"
    says '^For example: --interface srv0 --address 192\.168\.77\.1/24' "a cable without an address"
    # If named it is served, and the cable is reported.
    start_on wifi-named --interface wlan0 --dhcp off "$image"
    wait_event 5 diagnostic code=interface_unserved interface=srv0 'text~--interface srv0 --address 192\.168\.77\.1/24' >/dev/null ||
        wrong "Wi-Fi is named: nothing is said of the cable: $(cat "$SERVER_LOG")"
    stop_server
    # OpenWrt's LAN is a bridge like any other; Docker's are not.
    ip -n "$LAB-srv" link add br-lan type bridge
    ip -n "$LAB-srv" link set br-lan up
    ip -n "$LAB-srv" address add 10.77.1.1/24 dev br-lan
    ip -n "$LAB-srv" link add br-0123456789ab type bridge
    ip -n "$LAB-srv" link set br-0123456789ab up
    ip -n "$LAB-srv" address add 172.18.0.1/16 dev br-0123456789ab
    start_on br-lan --dhcp off "$image"
    wait_event 5 diagnostic code=serving 'text~ br-lan \(10\.77\.1\.1\)' >/dev/null || wrong "br-lan is not chosen: $(cat "$SERVER_LOG")"
    stop_server
    ip -n "$LAB-srv" link del br-lan
    ip -n "$LAB-srv" link del br-0123456789ab
    ip -n "$LAB-srv" link del wlan0
    step "Wi-Fi is served when named, br-lan by itself"
}

networks_port() {
    ip -n "$LAB-srv" link add br0 type bridge forward_delay 0
    ip -n "$LAB-srv" link set br0 up
    ip -n "$LAB-srv" link set srv0 up master br0
    refuses 1 "${HERE[@]}" "$(image arch)"
    says '^lanboot: srv0 is a port of the bridge br0; use --interface br0$' "a port of a bridge"
    refuses 1 "${HERE[@]}" --dhcp off "$(image arch)"
    says 'use --interface br0$' "a port of a bridge, without DHCP"
    [[ -z $(srv0) ]] || wrong "a refused start left srv0 with $(srv0)"
    ip -n "$LAB-srv" address add "$SERVER_ADDRESS/$SERVER_PREFIX" dev br0
    start_on bridge --interface br0 --dhcp server "$(image arch)"
    wait_event 5 diagnostic code=serving 'text~ br0 ' >/dev/null || wrong "the bridge is not served: $(cat "$SERVER_LOG")"
    ask 1
    [[ -n $ADDRESS ]] || wrong "no lease on the bridge"
    interfaces_fetch 1 "$SERVER_ADDRESS"
    stop_server
    ip -n "$LAB-srv" link del br0
    step "a port is refused, its bridge is served"
}

# A card that becomes a port while it is served: reported, and its silence proves nothing.
networks_enslaved() {
    START_LOG=enslaved start_ready "${HERE[@]}" "$(image arch)"
    expect_event 6 diagnostic code=no_other_server interface=srv0
    ip -n "$LAB-srv" link add br0 type bridge forward_delay 0
    ip -n "$LAB-srv" link set br0 up
    ip -n "$LAB-srv" link set srv0 master br0
    expect_event 2 diagnostic code=interface_enslaved interface=srv0 'text~ br0 .*--interface br0$'
    ask 1 -t 2
    [[ -z $ADDRESS ]] || wrong "a port of a bridge handed out $ADDRESS"
    # Longer than the silence that counts.
    ! wait_event 6 diagnostic code=servers_probed >/dev/null || true
    [[ $(count_events diagnostic code=no_other_server) == 1 ]] || wrong "the silence of a port counts as nobody's"
    ip -n "$LAB-srv" link set srv0 nomaster
    expect_event 2 diagnostic code=interface_free interface=srv0 'text~ br0$'
    expect_event 2 diagnostic code=servers_probed interface=srv0
    wait_events 2 8 diagnostic code=no_other_server || wrong "free again, it does not serve again"
    ask 1
    [[ -n $ADDRESS ]] || wrong "free again, it hands out nothing"
    ! has_event diagnostic "code~$BLAMES_FIREWALL" || wrong "a firewall is blamed for what the bridge takes"
    stop_server
    ip -n "$LAB-srv" link del br0
    START_LOG=enslaved-off start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    ip -n "$LAB-srv" link add br0 type bridge forward_delay 0
    ip -n "$LAB-srv" link set srv0 master br0
    expect_event 2 diagnostic code=interface_enslaved interface=srv0 'text~ br0 '
    stop_server
    ip -n "$LAB-srv" link del br0
    step "a card that becomes a port is not served until it is free again"
}

# The same network on another card, whose route comes first.
networks_shared() {
    card wlan0
    ip -n "$LAB-srv" address add 192.168.77.23/24 dev wlan0
    START_LOG=shared start_ready "${HERE[@]}" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    expect_event 2 diagnostic code=network_shared 'text~ 192\.168\.77\.0/24 of srv0 .* wlan0 \(192\.168\.77\.23/24\)'
    in_srv ip route get 192.168.77.50 | grep -q 'dev wlan0' || fail "the route does not lead to wlan0: the case proves nothing"
    ask 1
    [[ -n $ADDRESS ]] || wrong "one network on two cards: no lease"
    interfaces_fetch 1 "$SERVER_ADDRESS"
    in_client 1 rpcinfo -T udp "$SERVER_ADDRESS" nfs 3 >"$LOGS/rpcinfo" 2>&1 || wrong "one network on two cards: NFS by datagram: $(tail -n 1 "$LOGS/rpcinfo")"
    in_client 1 rpcinfo -T udp "$SERVER_ADDRESS" mountd 3 >"$LOGS/rpcinfo" 2>&1 || wrong "one network on two cards: MOUNT by datagram: $(tail -n 1 "$LOGS/rpcinfo")"
    # This host itself, and clients on another card.
    in_srv curl -sS --fail -m 5 -o /dev/null "http://$SERVER_ADDRESS/" || wrong "this host itself gets no answer"
    ip -n "$LAB-lan" address add 192.168.78.9/24 dev wlan0-end
    in_srv ip address add 192.168.78.1/24 dev wlan0
    ip -n "$LAB-lan" route add "$SERVER_ADDRESS/32" via 192.168.78.1 src 192.168.78.9
    get "http://$SERVER_ADDRESS/boot.ipxe" /dev/null || wrong "who comes in by another card gets no answer"
    ip -n "$LAB-lan" address del 192.168.78.9/24 dev wlan0-end
    stop_server
    # A second instance finds the port in use.
    START_LOG=shared start_ready "${HERE[@]}" --dhcp off "$(image arch)"
    local status=0 said
    said=$(in_srv timeout 10 "$LANBOOT" serve --interface srv0 "${HERE[@]}" --dhcp off --state "$LOGS/second-state" "$(image arch)" 2>&1) || status=$?
    ((status == 1)) && grep -q 'UDP port 69 is taken by lanboot (process' <<<"$said" || wrong "a second lanboot: status $status: $said"
    stop_server
    # A kernel that drops packets because of reverse path filtering: reported.
    in_srv sysctl -qw net.ipv4.conf.all.rp_filter=1
    START_LOG=strict start_ready "${HERE[@]}" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    expect_event 2 diagnostic code=network_shared 'text~ srv0 \(rp_filter\).* sysctl -w '
    stop_server
    in_srv sysctl -qw net.ipv4.conf.all.rp_filter=0
    ip -n "$LAB-srv" link del wlan0
    step "one network on two cards: answers leave where requests came in"
}

# firewall HOOK RULES…: sets a firewall in the server's namespace.
firewall() {
    in_srv nft flush ruleset
    local chain=$1
    shift
    printf 'table inet t {\n chain c {\n type filter hook %s priority 0; policy accept;\n %s\n }\n}\n' "$chain" "$*" >"$LOGS/firewall.nft"
    in_srv nft -f "$LOGS/firewall.nft" || fail "nft refuses: $(cat "$LOGS/firewall.nft")"
}

networks_firewall_out() {
    local begun
    START_LOG=out start_ready "${HERE[@]}" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    firewall output 'meta l4proto udp drop'
    ask 1
    begun=$(date +%s.%N)
    in_client 1 timeout 3 tftp -m binary "$SERVER_ADDRESS" -c get boot.ipxe /dev/null >"$LOGS/tftp-out" 2>&1 || true
    expect_event 2 failed protocol=TFTP path=boot.ipxe reason=firewall 'why~\(Operation not permitted\)'
    awk -v t="$(since "$begun")" 'BEGIN {exit !(t < 6)}' || wrong "the firewall refuses to send: said after $(since "$begun") s"
    ! has_event any reason=no_answer || wrong "the firewall refuses to send: counted as the network's loss"
    in_client 1 timeout -s KILL 3 rpcinfo -T udp "$SERVER_ADDRESS" nfs 3 >/dev/null 2>&1 || true
    expect_event 2 ignored protocol=NFS reason=firewall
    firewall output 'meta l4proto tcp drop'
    in_client 1 timeout 5 curl -s -o /dev/null "http://$SERVER_ADDRESS/" || true
    expect_event 4 diagnostic code=answers_lost interface=srv0 'text~TCP port 80 '
    in_srv nft flush ruleset
    stop_server
    step "what this host's firewall refuses to send is said at once"
}

networks_firewall_in() {
    START_LOG=in start_ready "${HERE[@]}" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    firewall input 'udp dport 67 drop; tcp dport 80 drop; tcp dport 10809 reject with icmpx type admin-prohibited; udp dport 69 reject'
    ask 1 -t 2
    [[ -z $ADDRESS ]] || wrong "the firewall drops nothing: a lease came"
    expect_event 4 diagnostic code=requests_dropped interface=srv0 'text~UDP port 67 '
    in_client 1 ip address add 192.168.77.99/24 dev eth0
    in_client 1 timeout 4 curl -s -o /dev/null "http://$SERVER_ADDRESS/" || true
    expect_event 4 diagnostic code=requests_dropped interface=srv0 'text~TCP port 80 .* 192\.168\.77\.99 '
    in_client 1 timeout 4 nbdinfo --list "nbd://$SERVER_ADDRESS" >/dev/null 2>&1 || true
    expect_event 4 diagnostic code=requests_dropped interface=srv0 'text~TCP port 10809 .* 192\.168\.77\.99 '
    in_client 1 timeout 4 tftp -m binary "$SERVER_ADDRESS" -c get boot.ipxe /dev/null >/dev/null 2>&1 || true
    expect_event 4 diagnostic code=requests_dropped interface=srv0 'text~UDP port 69 .* 192\.168\.77\.99 '
    ! has_event any 'text~port (2049|111)\b' || wrong "a firewall is said to drop what nobody sent"
    in_srv nft flush ruleset
    stop_server
    # Without a firewall nothing is reported, even with a scanner or a vanished machine.
    START_LOG=open start_ready "${HERE[@]}" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$(image arch)"
    in_client 1 ip address flush dev eth0
    ask 1
    [[ -n $ADDRESS ]] || wrong "no firewall: no lease"
    interfaces_fetch 1 "$SERVER_ADDRESS"
    in_client 1 python3 -c '
import socket, sys
for port in (80, 111, 2049, 10809):
    stream = socket.create_connection((sys.argv[1], port), 5)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    stream.close()' "$SERVER_ADDRESS" || wrong "no firewall: a port is closed"
    ! wait_event 4 diagnostic "code~$BLAMES_FIREWALL" >/dev/null || wrong "no firewall, and one is blamed: $(event_texts diagnostic "code~$BLAMES_FIREWALL")"
    stop_server
    step "what a firewall drops on its way in is said"
}

networks_no_link() {
    # The other end down: no carrier.
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address add "$SERVER_ADDRESS/$SERVER_PREFIX" dev srv0
    ip -n "$LAB-lan" link set port0 down
    local mode
    for mode in server off; do
        START_LOG=unplugged-$mode start_ready --dhcp "$mode" "$(image arch)"
        expect_event 9 diagnostic code=no_link interface=srv0 'text~\bcable\b'
        ip -n "$LAB-lan" link set port0 up
        expect_event 2 diagnostic code=link_up interface=srv0
        ip -n "$LAB-lan" link set port0 down
        wait_events 2 9 diagnostic code=no_link interface=srv0 'text~\bcable\b' || wrong "--dhcp $mode: the cable is pulled and nothing is said"
        stop_server
    done
    ip -n "$LAB-lan" link set port0 up
    ip -n "$LAB-srv" link set srv0 down
    for mode in server auto off; do
        START_LOG=down-$mode start --dhcp "$mode" "$(image arch)"
        expect_event 9 diagnostic code=no_link interface=srv0 'text~\(ip link set srv0 up\)'
        stop_server
    done
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address flush dev srv0
    step "no cable and switched off are distinguished, in every mode"
}
