# shellcheck shell=bash
# Machines in another network, behind a relay.
#
#   srv0 192.168.77.1, .11 ── lan0 ── r0 192.168.77.3 [lb-PID-r, routes] r1 10.1.0.1 ── lan2: clients 1 to 4
#                                └── r0 192.168.77.4 [lb-PID-q, routes] r1 10.1.0.2 ────┘

case_relay() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base busybox=busybox-static dhcrelay=isc-dhcp-relay dhclient=isc-dhcp-client tcpdump=tcpdump \
        nbdinfo=libnbd-bin showmount=nfs-common
    local number
    far_lan_up
    for number in 1 2 3 4; do
        client_up "$number"
        ip -n "$LAB-lan" link set "c$number" master lan2
    done
    router_up r 192.168.77.3 10.1.0.1
    router_up q 192.168.77.4 10.1.0.2
    ip -n "$LAB-srv" link set srv0 up
    ip -n "$LAB-srv" address add "$SERVER_ADDRESS/24" dev srv0
    ip -n "$LAB-srv" address add 192.168.77.11/24 dev srv0
    ip -n "$LAB-srv" route add 10.1.0.0/24 via 192.168.77.3
    printf '%s\n' "images = ['$(image arch)']" '[[subnet]]' "network = '10.1.0.0/24'" "range = '10.1.0.50-10.1.0.59'" "router = '10.1.0.1'" \
        "dns = ['10.1.0.1', '9.9.9.9']" "domain = 'far.example'" "lease-time = '30m'" "option.42 = ['10.1.0.7']" >"$LOGS/relay.toml"
    relay_words
    relay_isc
    relay_dnsmasq
    relay_loop
}

far_lan_up() { ip -n "$LAB-lan" link add lan2 type bridge mcast_snooping 0 forward_delay 0 && ip -n "$LAB-lan" link set lan2 up; }

# router_up NAME NEAR FAR: creates a router between the two networks.
router_up() {
    local namespace=$LAB-$1
    ip netns add "$namespace"
    CLIENT_NAMESPACES+=("$namespace")
    ip link add r0 netns "$namespace" type veth peer name "$1-near" netns "$LAB-lan"
    ip link add r1 netns "$namespace" type veth peer name "$1-far" netns "$LAB-lan"
    ip -n "$LAB-lan" link set "$1-near" master lan0 up
    ip -n "$LAB-lan" link set "$1-far" master lan2 up
    ip -n "$namespace" link set lo up
    ip -n "$namespace" link set r0 up
    ip -n "$namespace" link set r1 up
    ip -n "$namespace" address add "$2/24" dev r0
    ip -n "$namespace" address add "$3/24" dev r1
    ip netns exec "$namespace" sysctl -qw net.ipv4.ip_forward=1
}

# relay NAME PROGRAM FLAGS…: starts a relay there; RELAY_PID is its process.
relay() {
    local name=$1
    shift
    : >"$LOGS/relay-$name"
    ip netns exec "$LAB-$name" "$@" >"$LOGS/relay-$name" 2>&1 &
    RELAY_PID=$!
    LAB_PIDS+=("$RELAY_PID")
    # Both are bound before they serve, and dhcrelay prints nothing then.
    wait_until 5 relay_listens "$name" || fail "the relay does not run: $(cat "$LOGS/relay-$name")"
}

relay_listens() { ip netns exec "$LAB-$1" ss -Hlun 'sport = :67' | grep -q . || ip netns exec "$LAB-$1" ss -Hl0 | grep -q .; }

relay_stop() {
    kill "$RELAY_PID"
    wait "$RELAY_PID" 2>/dev/null || true
}

# far NUMBER FLAGS…: like ask, and configures the return route of a machine behind the relay.
far() {
    ask "$@"
    [[ -n $ADDRESS ]] || return 0
    in_client "$1" ip route replace default via 10.1.0.1
}

relay_words() {
    local line part
    while IFS='|' read -r line part; do
        printf 'images = ["%s"]\n[[subnet]]\nnetwork = "10.1.0.0/24"\n%b\n' "$(image arch)" "$line" >"$LOGS/wrong.toml"
        refuses 1 --dhcp server --config "$LOGS/wrong.toml"
        says "$part" "$line"
    done <<'END'
rang = "10.1.0.5-10.1.0.9"|wrong.toml:4:1: .*no key 'rang' in \[\[subnet\]\]; did you mean 'range'
range = "10.1.0.5"|subnet 10.1.0.0/24: range: '10.1.0.5' is not a range like
range = "10.1.1.5-10.1.1.9"|the range 10.1.1.5-10.1.1.9 is not inside the network 10.1.0.0/24
router = "gw"|subnet 10.1.0.0/24: router: 'gw' is not an IPv4 address
option.42 = "10.1.0.7"|subnet 10.1.0.0/24: option: 42: .*write \['10.1.0.7'\]
option.54 = ["10.1.0.7"]|option 54 .*10.1.0.0/24
option.ntp = ["10.1.0.7"]|subnet 10.1.0.0/24: option: 'ntp' is not the number
[[subnet]]\nnetwork = "10.1.0.128/25"|the networks 10.1.0.0/24 and 10.1.0.128/25 overlap
[[subnet]]\nnetwork = "10.2.0.9/24"|did you mean '10.2.0.0/24'
END
    step "wrong words are refused with the right ones"
}

# configured NUMBER: prints the configuration of a machine behind the relay.
configured() {
    local key
    [[ $ADDRESS == 10.1.0.5? ]] || { wrong "behind the relay client $1 got '$ADDRESS'"; return; }
    for key in "router 10.1.0.1" "dns 10.1.0.1 9.9.9.9" "domain far.example" "lease 1800" "serverid $SERVER_ADDRESS" "ntpsrv 10.1.0.7"; do
        [[ $(leased "$1" "${key%% *}") == "${key#* }" ]] || wrong "behind the relay: ${key%% *} is '$(leased "$1" "${key%% *}")', not '${key#* }'"
    done
}

relay_isc() {
    local address pid
    START_LOG=isc start_ready --dhcp server --config "$LOGS/relay.toml"
    relay r dhcrelay -4 -d --no-pid -id r1 -iu r0 "$SERVER_ADDRESS"
    far 1 -O ntpsrv
    configured 1
    expect_event 2 dhcp message=DHCPACK interface=srv0 "address=$ADDRESS" "mac=$(client_mac 1)"
    step "dhcrelay: $ADDRESS with the options of its subnet"
    # Renewed without the relay, over the router, and released.
    udhcpc_start 2 'busybox udhcpc' -f -R -t 4 -T 1 -A 2
    pid=$UDHCPC_PID
    wait_line "$LOGS/lease-2" '^siaddr=.' 15 "$pid" >/dev/null || wrong "no lease"
    address=$(leased 2 ip)
    in_client 2 ip route replace default via 10.1.0.1
    kill -USR1 "$pid"
    wait_line "$LOGS/lease-2" '^event=renew' 5 "$pid" >/dev/null || wrong "not renewed over the router"
    [[ $(leased 2 ip) == "$address" ]] || wrong "renewed $address and got $(leased 2 ip)"
    kill "$pid"
    wait "$pid" || true
    expect_event 3 dhcp message=DHCPRELEASE interface=srv0 "address=$address" "mac=$(client_mac 2)"
    step "renewed and released over the router"
    # It loads from a reachable address, and counts as known.
    in_client 1 curl -sS --fail -m 5 "http://$SERVER_ADDRESS/boot.ipxe?memory=512" | grep "http://$SERVER_ADDRESS/iso/arch" >/dev/null || wrong "HTTP behind the relay"
    in_client 1 nbdinfo --list "nbd://$SERVER_ADDRESS" >"$LOGS/nbd" 2>&1 || wrong "NBD behind the relay: $(tail -n 1 "$LOGS/nbd")"
    in_client 1 showmount -e --no-headers "$SERVER_ADDRESS" >"$LOGS/nfs" 2>&1 || wrong "NFS behind the relay: $(tail -n 1 "$LOGS/nfs")"
    pxe 3 offers 7 >"$LOGS/offers"
    grep -q "server=$SERVER_ADDRESS yiaddr=10.1.0.5. siaddr=$SERVER_ADDRESS " "$LOGS/offers" || wrong "UEFI behind the relay: $(cat "$LOGS/offers")"
    [[ $(pxe 1 boot-server "$SERVER_ADDRESS" 7) == "ACK from=$SERVER_ADDRESS:4011 "* ]] || wrong "port 4011 behind the relay: $(pxe 1 boot-server "$SERVER_ADDRESS" 7)"
    step "HTTP, NBD, NFS, boot files and port 4011 over the router"
    relay_squatter
    relay_stop
    # Option 82 is echoed unchanged, or dhcrelay would drop the answer.
    relay r dhcrelay -4 -d --no-pid -a -D -id r1 -iu r0 "$SERVER_ADDRESS"
    rm -f "$LOGS/dhclient.leases"
    # It requests NTP servers only if configured.
    echo 'request subnet-mask, routers, ntp-servers;' >"$LOGS/dhclient.conf"
    dhclient_in 3 -1 -cf "$LOGS/dhclient.conf" || wrong "dhclient, with option 82: no lease: $(tail -n 1 "$LOGS/dhclient.log")"
    [[ $(leased 3 ip) == 10.1.0.5? && $(leased 3 ntpsrv) == 10.1.0.7 ]] || wrong "dhclient, with option 82, got '$(leased 3 ip)'"
    dhclient_stop
    in_client 3 ip address flush dev eth0 scope global
    step "dhclient, option 82: $(leased 3 ip)"
    relay_stop
    stop_server
    # The same, beside an unconfigured network.
    START_LOG=unknown start_ready --dhcp server "$(image arch)"
    relay r dhcrelay -4 -d --no-pid -id r1 -iu r0 "$SERVER_ADDRESS"
    ask 2 -t 2
    [[ -z $ADDRESS ]] || wrong "a relay of an unknown network: the client got $ADDRESS"
    expect_event 2 ignored request=DHCPDISCOVER "mac=$(client_mac 2)" reason=unknown_relay 'why~10\.1\.0\.1'
    ! in_client 1 nbdinfo --list "nbd://$SERVER_ADDRESS" >/dev/null 2>&1 || wrong "NBD lets strangers in"
    relay_stop
    stop_server
    step "an unconfigured relay is named"
}

# ARP does not reach there; ping does.
relay_squatter() {
    local address
    in_client 2 ip address flush dev eth0 scope global
    # An unused one.
    for address in 10.1.0.5{0..9}; do has_event any "address=$address" || break; done
    in_client 2 ip address add "$address/24" dev eth0
    in_client 2 ip route replace default via 10.1.0.1
    ask 4 -r "$address"
    [[ -n $ADDRESS && $ADDRESS != "$address" ]] || wrong "a squatter behind the relay on $address: the client got '$ADDRESS'"
    expect_event 2 diagnostic code=address_in_use "text~$address "
    in_client 2 ip address flush dev eth0 scope global
    in_client 4 ip address flush dev eth0 scope global
    step "a squatter behind the relay"
}

# Another address of the server, while it probes for other servers; this relay forwards the probe,
# too.
relay_dnsmasq() {
    in_client 1 ip address flush dev eth0 scope global
    relay r dnsmasq --keep-in-foreground --pid-file= --conf-file=/dev/null --user=root --port=0 --log-facility=- --log-dhcp \
        --dhcp-relay=10.1.0.1,192.168.77.11 --dhcp-relay=192.168.77.3,192.168.77.11
    START_LOG=dnsmasq start_ready --config "$LOGS/relay.toml"
    far 1 -O ntpsrv
    configured 1
    ! has_event diagnostic "code~$SEES_ANOTHER" || wrong "it takes its own words through the relay for another's: $(event_texts diagnostic "code~$SEES_ANOTHER")"
    in_client 1 ip address flush dev eth0 scope global
    relay_stop
    stop_server
    step "dnsmasq's relay, to another address: $ADDRESS"
}

# Two relays that send to each other: each message is answered once, and the loop ends.
relay_loop() {
    local first messages answers
    START_LOG=loop start_ready --dhcp server --config "$LOGS/relay.toml"
    ip netns exec "$LAB-srv" tcpdump -q -U -n -i srv0 -w "$LOGS/loop.pcap" 'udp port 67' 2>"$LOGS/tcpdump" &
    first=$!
    LAB_PIDS+=("$first")
    wait_line "$LOGS/tcpdump" 'listening on' 5 >/dev/null || fail "tcpdump does not run"
    relay r dhcrelay -4 -d --no-pid -i r0 -i r1 "$SERVER_ADDRESS" 192.168.77.4
    RELAYS=("$RELAY_PID")
    relay q dhcrelay -4 -d --no-pid -i r0 -i r1 "$SERVER_ADDRESS" 192.168.77.3
    RELAYS+=("$RELAY_PID")
    pxe 1 offers 0 plain >"$LOGS/offers"
    [[ -s $LOGS/offers ]] || wrong "two relays in a loop: no offer"
    # Until no packet has passed for two seconds by the clock.
    wait_until 30 loop_is_quiet || wrong "two relays in a loop: it does not end"
    kill "$first"
    wait "$first" || true
    messages=$(in_srv tcpdump -n -r "$LOGS/loop.pcap" "dst host $SERVER_ADDRESS or dst host 255.255.255.255" 2>/dev/null | wc -l)
    answers=$(in_srv tcpdump -n -r "$LOGS/loop.pcap" "src host $SERVER_ADDRESS" 2>/dev/null | wc -l)
    step "two relays in a loop: one DISCOVER, $messages messages at the server, $answers answers"
    ((messages > 10)) || wrong "two relays in a loop: $messages messages, so there was no loop"
    ((answers <= 20)) || wrong "two relays in a loop: $answers answers"
    alive
    expect_event 2 ignored reason=relay_loop
    ((answers <= messages / 20)) || wrong "two relays in a loop: $answers answers to $messages messages"
    (($(wc -l <"$SERVER_LOG") < 50)) || wrong "two relays in a loop: $(wc -l <"$SERVER_LOG") lines in the log"
    far 2
    [[ $ADDRESS == 10.1.0.5? ]] || wrong "two relays in a loop: another machine got '$ADDRESS'"
    kill "${RELAYS[@]}"
    wait "${RELAYS[@]}" 2>/dev/null || true
    stop_server
}

loop_is_quiet() {
    local before
    before=$(stat -c %s "$LOGS/loop.pcap")
    ! timeout 2 tail -n 0 -f -c +$((before + 1)) "$LOGS/loop.pcap" | grep -q -m 1 .
}
