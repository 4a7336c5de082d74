# shellcheck shell=bash
# Role detection: lanboot beside a server that was there before or appears later.

OTHER=192.168.77.9

case_auto() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base busybox=busybox-static
    local number
    for number in 1 2 3; do client_up "$number"; done
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX" --range "$POOL_FIRST-$POOL_LAST")
    auto_alone
    auto_beside
    auto_later
    auto_overheard
    auto_server
    auto_two
    auto_unplugged
    auto_moved
    auto_readdressed
    auto_4011_taken
}

# other_dnsmasq NUMBER FLAGS…: runs another server on the LAN, 192.168.77.9, in client NUMBER's
# namespace. OTHER_PID is its process.
other_dnsmasq() {
    local number=$1
    shift
    in_client "$number" ip address flush dev eth0 scope global
    in_client "$number" ip address add "$OTHER/24" dev eth0
    : >"$LOGS/dnsmasq"
    ip netns exec "$LAB-c$number" dnsmasq --keep-in-foreground --conf-file=/dev/null --user=root --port=0 --interface=eth0 \
        --bind-interfaces --dhcp-leasefile="$LOGS/dnsmasq.leases" --pid-file= --log-facility=- --log-dhcp "$@" >"$LOGS/dnsmasq" 2>&1 &
    OTHER_PID=$!
    LAB_PIDS+=("$OTHER_PID")
    wait_line "$LOGS/dnsmasq" 'DHCP, (IP range|proxy)' 5 "$OTHER_PID" >/dev/null || fail "dnsmasq does not run: $(cat "$LOGS/dnsmasq")"
}

# other_server NUMBER FLAGS…: runs one that assigns .200 to .210.
other_server() { other_dnsmasq "$@" --dhcp-range=192.168.77.200,192.168.77.210; }

other_stop() {
    kill "$OTHER_PID"
    wait "$OTHER_PID" 2>/dev/null || true
}

# seconds_until WHAT SECONDS COUNT EVENT …: waits until the server has logged this many such events;
# TOOK is how long it took.
seconds_until() {
    local begun
    begun=$(date +%s.%N)
    wait_events "$3" "$2" "${@:4}" || wrong "$1: fewer than $3 events after $2 s: ${*:4}; the last one: $(last_events)"
    TOOK=$(since "$begun")
}

# in_range ADDRESS FIRST LAST: by the last byte.
in_range() {
    local last=${1##*.}
    [[ $1 == 192.168.77.* ]] && ((last >= $2 && last <= $3))
}

is_ours() { in_range "$1" "${POOL_FIRST##*.}" "${POOL_LAST##*.}"; }
is_others() { in_range "$1" 200 210; }

# pxe NUMBER ARGUMENTS…
pxe() {
    local number=$1
    shift
    in_client "$number" "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$(client_mac "$number")" "$@"
}

srv0_mac() { ip -n "$LAB-srv" -o link show srv0 | sed 's,.*link/ether \([^ ]*\).*,\1,'; }
forget() { in_client "$1" ip address flush dev eth0 scope global; }

# No other server: it serves after the probe. Another proxy does not prevent that.
auto_alone() {
    local begun
    other_dnsmasq 2 --dhcp-range=192.168.77.0,proxy --pxe-service=x86PC,Other,other
    begun=$(date +%s.%N)
    START_LOG=alone start "${HERE[@]}" "$(image arch)"
    # During the probe it answers nothing, and logs why.
    wait_event 5 diagnostic code=serving >/dev/null || fail "it does not start: $(last_events 3)"
    pxe 1 offers 0 >"$LOGS/offers"
    ! grep -q "server=$SERVER_ADDRESS" "$LOGS/offers" || wrong "auto: it answers before it knows whether it may"
    expect_event 2 ignored protocol=DHCP reason=server_detection_undecided
    wait_until 10 test -e "$READY" || wrong "auto, alone: not ready after 10 s"
    step "alone: ready after $(since "$begun") s"
    expect_event 2 diagnostic code=no_other_server interface=srv0
    ask 1
    is_ours "$ADDRESS" || wrong "auto, alone: the client got '$ADDRESS'"
    forget 1
    # The proxy answers a machine that boots, and is reported once.
    pxe 1 offers 0 >"$LOGS/offers"
    pxe 1 offers 0 >>"$LOGS/offers"
    grep -q "server=$OTHER yiaddr=0.0.0.0" "$LOGS/offers" || wrong "the other proxy says nothing: $(cat "$LOGS/offers")"
    expect_event 2 diagnostic code=other_proxy "text~^$OTHER " interface=srv0
    [[ $(count_events diagnostic code=other_proxy) == 1 ]] || wrong "another proxy is logged more than once"
    ! has_event diagnostic code=stepped_down || wrong "a proxy made it step down"
    other_stop
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
    step "alone, beside another proxy: hands out addresses"
}

# Another server is there: it assigns the addresses, lanboot adds boot information.
auto_beside() {
    local flags begun
    for flags in --no-ping ''; do
        # shellcheck disable=SC2086  # no word when empty
        other_server 2 $flags
        begun=$(date +%s.%N)
        START_LOG=beside start_ready "${HERE[@]}" "$(image arch)"
        step "beside dnsmasq${flags:+ with $flags}: ready after $(since "$begun") s"
        expect_event 2 diagnostic code=other_server "text~ $OTHER\b" interface=srv0
        ask 1 -t 6
        is_others "$ADDRESS" || wrong "beside dnsmasq: the client got '$ADDRESS'"
        [[ $(leased 1 serverid) == "$OTHER" ]] || wrong "beside dnsmasq: the lease is from $(leased 1 serverid)"
        auto_proxy
        forget 1
        stop_server
        other_stop
        rm -f "$SERVER_LOG" "$LOGS/dnsmasq.leases"
    done
}

# Boot information for each kind of machine beside another server; client 1 has an address.
auto_proxy() {
    local offer
    for what in "0 pxe" "7 pxe" "16 http" "0 ipxe" "7 ipxe"; do
        # shellcheck disable=SC2086  # two words
        pxe 1 offers $what >"$LOGS/offers"
        offer=$(grep "server=$SERVER_ADDRESS " "$LOGS/offers") || { wrong "proxy: no offer for $what: $(cat "$LOGS/offers")"; continue; }
        echo "$what: $offer" >>"$LOGS/proxy-offers"
        [[ $offer == *" yiaddr=0.0.0.0 "* ]] || wrong "proxy: an address for $what: $offer"
        [[ $offer == "OFFER from=$SERVER_ADDRESS:67 "* ]] || wrong "proxy: $what: $offer"
        [[ $offer == *" siaddr=$SERVER_ADDRESS "* ]] || wrong "proxy: siaddr for $what: $offer"
        case $what in
        "16 http") [[ $offer == *" 60=HTTPClient"* ]] || wrong "proxy: option 60 for $what: $offer" ;;
        *pxe) [[ $offer == *" 60=PXEClient"* && $offer != *" 67=- "* ]] || wrong "proxy: $what: $offer" ;;
        esac
    done
    # No offer if there is nothing to load, and the log says what is missing.
    pxe 1 offers 65535 pxe >"$LOGS/offers"
    ! grep -q "server=$SERVER_ADDRESS " "$LOGS/offers" || wrong "proxy: an unknown architecture: $(cat "$LOGS/offers")"
    expect_event 2 ignored protocol=DHCP reason=nothing_to_boot 'why~\b65535\b'
    # No offer for clients that do not boot.
    pxe 1 offers 0 plain >"$LOGS/offers"
    ! grep -q "server=$SERVER_ADDRESS " "$LOGS/offers" || wrong "proxy: a plain client is answered: $(cat "$LOGS/offers")"
    # Port 4011 answers from itself, to any source port.
    for port in 68 4011 40000; do
        offer=$(pxe 1 boot-server "$SERVER_ADDRESS" 7 "$port")
        [[ $offer == "ACK from=$SERVER_ADDRESS:4011 server=$SERVER_ADDRESS yiaddr=0.0.0.0 siaddr=$SERVER_ADDRESS "* ]] || wrong "4011, asked from port $port: $offer"
    done
    offer=$(pxe 1 boot-server "$SERVER_ADDRESS" 0 68 4704123400ff)
    [[ $offer == nothing ]] || wrong "4011: a boot item that does not exist: $offer"
    pxe 1 hostile "$SERVER_ADDRESS" >"$LOGS/hostile"
    [[ ! -s $LOGS/hostile ]] || wrong "4011: $(paste -s -d ';' "$LOGS/hostile")"
    alive
    offer=$(pxe 1 boot-server "$SERVER_ADDRESS" 0)
    [[ $offer == ACK* ]] || wrong "4011: after bad bytes: $offer"
}

# A server appears later: addresses are left to it within 30 s, and existing leases are honoured.
# lanboot never resumes by itself.
auto_later() {
    local address pid
    START_LOG=later start_ready "${HERE[@]}" "$(image arch)"
    udhcpc_start 1 'busybox udhcpc' -f -t 4 -T 1 -A 2
    pid=$UDHCPC_PID
    wait_line "$LOGS/lease-1" '^siaddr=.' 15 "$pid" >/dev/null || fail "no lease"
    address=$(leased 1 ip)
    other_server 2
    seconds_until "dnsmasq appears" 30 1 diagnostic code=stepped_down "text~ $OTHER\b" interface=srv0
    step "dnsmasq appears, nobody asks: leaves addresses to it after $TOOK s"
    # A boot in progress: its lease is renewed by lanboot.
    kill -USR1 "$pid"
    wait_line "$LOGS/lease-1" '^event=renew' 5 "$pid" >/dev/null || wrong "after stepping down a lease is not renewed"
    [[ $(leased 1 ip) == "$address" && $(leased 1 serverid) == "$SERVER_ADDRESS" ]] || wrong "renewed $address and got $(leased 1 ip) of $(leased 1 serverid)"
    wait_events 2 2 dhcp message=DHCPACK interface=srv0 "address=$address" "mac=$(client_mac 1)" || wrong "that a lease is renewed is not logged"
    ask 3 -t 6
    is_others "$ADDRESS" || wrong "after stepping down a new client got '$ADDRESS'"
    forget 3
    step "its own lease is renewed, a new machine is dnsmasq's"
    # It leaves, returns, leaves: no further log lines, no addresses.
    other_stop
    ask 3 -t 3
    [[ -z $ADDRESS ]] || wrong "with dnsmasq gone it hands out $ADDRESS without being asked to"
    other_server 2 --no-ping
    ask 3 -t 6
    is_others "$ADDRESS" || wrong "with dnsmasq back a client got '$ADDRESS'"
    forget 3
    other_stop
    [[ $(count_events diagnostic code=stepped_down) == 1 ]] || wrong "it stepped down $(count_events diagnostic code=stepped_down) times"
    # It resumes only on SIGHUP.
    kill -HUP "$SERVER_PID"
    seconds_until SIGHUP 8 2 diagnostic code=no_other_server interface=srv0
    ask 3
    is_ours "$ADDRESS" || wrong "after SIGHUP a client got '$ADDRESS'"
    forget 3
    step "SIGHUP: hands out addresses again after $TOOK s"
    kill "$pid"
    wait "$pid" || true
    forget 1
    stop_server
}

# Overheard messages are sufficient: a broadcast offer, or a machine's request if offers are unicast.
# A machine with an offer of ours gets its lease.
auto_overheard() {
    local what flags
    for what in offer choice; do
        flags=
        [[ $what == choice ]] || flags=-B
        START_LOG=overheard-$what start_ready "${HERE[@]}" "$(image arch)"
        # The next probe comes 7.5 s after this one: a decision before that is based on overheard
        # messages.
        [[ $(in_client 2 "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$(srv0_mac)" question) == asked ]] || wrong "it does not ask again"
        rm -f "$LOGS/hold-go"
        : >"$LOGS/hold"
        mkfifo "$LOGS/hold-go"
        # shellcheck disable=SC2094  # held open for writing, so that it waits
        ip netns exec "$LAB-c1" "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$(client_mac 1)" hold <>"$LOGS/hold-go" >"$LOGS/hold" 2>&1 &
        HOLD_PID=$!
        wait_line "$LOGS/hold" "OFFER .*server=$SERVER_ADDRESS " 5 >/dev/null || wrong "no offer: $(cat "$LOGS/hold")"
        other_server 2 --no-ping
        # shellcheck disable=SC2086  # no word when empty
        ask 3 $flags
        seconds_until "a machine takes dnsmasq's $what" 2 1 diagnostic code=stepped_down "text~ $OTHER\b" interface=srv0
        step "a machine's $what names dnsmasq: leaves addresses to it after $TOOK s"
        echo go >"$LOGS/hold-go"
        wait "$HOLD_PID" || true
        [[ $(tail -n 1 "$LOGS/hold") == "ACK "*"server=$SERVER_ADDRESS yiaddr="* ]] || wrong "a machine with our offer in hand got: $(tail -n 1 "$LOGS/hold")"
        forget 3
        stop_server
        other_stop
        rm -f "$LOGS/dnsmasq.leases"
    done
    # A machine that names a server elsewhere out of habit is not a server.
    START_LOG=habit start_ready "${HERE[@]}" "$(image arch)"
    pxe 3 select 10.9.9.9 10.9.9.100 >/dev/null
    ask 1
    is_ours "$ADDRESS" || wrong "a machine's habit made it step down: '$ADDRESS'"
    ! has_event diagnostic code=stepped_down || wrong "a machine's habit made it step down"
    forget 1
    stop_server
}

# With --dhcp server it assigns addresses beside other servers, and warns.
auto_server() {
    other_server 2 --no-ping
    START_LOG=server start_ready "${HERE[@]}" --dhcp server "$(image arch)"
    seconds_until "--dhcp server" 5 1 diagnostic code=conflicting_server "text~ $OTHER\b" interface=srv0
    ask 1
    [[ -n $ADDRESS ]] || wrong "--dhcp server: no lease"
    pxe 1 offers 0 >"$LOGS/offers"
    grep -q "server=$SERVER_ADDRESS yiaddr=192" "$LOGS/offers" || wrong "--dhcp server beside another: no offer"
    [[ $(count_events diagnostic code=conflicting_server) == 1 ]] || wrong "--dhcp server: warned $(count_events diagnostic code=conflicting_server) times"
    forget 1
    stop_server
    START_LOG=proxy start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp proxy "$(image arch)"
    expect_event 3 diagnostic code=other_server "text~ $OTHER\b" interface=srv0
    stop_server
    other_stop
    START_LOG=lonely start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp proxy "$(image arch)"
    ask 1 -t 2
    [[ -z $ADDRESS ]] || wrong "--dhcp proxy: it gave $ADDRESS"
    expect_event 5 diagnostic code=no_server_for_proxy interface=srv0
    stop_server
    step "--dhcp server warns, --dhcp proxy says whose addresses there are"
}

# Two lanboots that start together: one of them serves.
auto_two() {
    local second begun
    in_client 2 ip address flush dev eth0 scope global
    ip netns exec "$LAB-c2" "$LANBOOT" serve --log json --interface eth0 --state "$LOGS/second-state" --address "$OTHER/24" \
        --range 192.168.77.200-192.168.77.210 "$(image arch)" >"$LOGS/second.log" 2>&1 &
    second=$!
    LAB_PIDS+=("$second")
    begun=$(date +%s.%N)
    START_LOG=first start_ready "${HERE[@]}" "$(image arch)"
    wait_until 30 one_yields || wrong "two lanboots: both hand out addresses"
    step "two started together: one steps down $(since "$begun") s after the start"
    ask 1 -t 5
    [[ -n $ADDRESS ]] || wrong "two lanboots: no lease"
    [[ $(pxe 3 offers 0 | grep -c 'yiaddr=192') == 1 ]] || wrong "two lanboots: not exactly one offers an address"
    [[ $(yields | wc -l) == 1 ]] || wrong "two lanboots: both stepped down"
    kill "$second"
    wait "$second" || true
    forget 1
    stop_server
}

# yields: prints what two lanboots log of leaving the addresses to another server.
yields() { "$REPO/tests/event" "$SERVER_LOG" "$LOGS/second.log" diagnostic 'code~^(stepped_down|other_server)$'; }
one_yields() { yields >/dev/null; }

# Without a link there is nothing to probe; the rest of the startup is not delayed.
auto_unplugged() {
    ip -n "$LAB-lan" link set port0 down
    START_LOG=unplugged start_ready "${HERE[@]}" "$(image arch)"
    expect_event 2 diagnostic code=no_link 'text~\bcable\b' interface=srv0
    other_server 2 --no-ping
    ip -n "$LAB-lan" link set port0 up
    seconds_until "a cable is plugged in" 15 1 diagnostic code=other_server "text~ $OTHER\b" interface=srv0
    step "a cable is plugged in beside dnsmasq: known after $TOOK s"
    stop_server
    other_stop
}

# The cable of a server is moved to another LAN: it assigns and refuses nothing there before it has
# probed. After a short interruption it continues.
auto_moved() {
    local before
    START_LOG=moved start_ready "${HERE[@]}" "$(image arch)"
    ip -n "$LAB-lan" link set port0 down
    ip -n "$LAB-lan" link set port0 up
    seconds_until "a link lost for a moment" 8 2 diagnostic code=no_other_server interface=srv0
    ask 1
    is_ours "$ADDRESS" || wrong "after a moment without link the client got '$ADDRESS'"
    forget 1
    step "a link lost for a moment: hands out addresses again after $TOOK s"
    ip -n "$LAB-lan" link set port0 down
    other_server 2
    before=$(decisions)
    ip -n "$LAB-lan" link set port0 up
    # Requests on that LAN: a machine that was switched on again, and a new one.
    pxe 3 reboot 192.168.44.4 >"$LOGS/moved-reboot"
    pxe 1 offers 0 >"$LOGS/offers"
    ! grep -q "server=$SERVER_ADDRESS yiaddr=192" "$LOGS/offers" || wrong "moved: an address is offered: $(cat "$LOGS/offers")"
    seconds_until "a cable put in beside dnsmasq" 12 1 diagnostic code=other_server "text~ $OTHER\b" interface=srv0
    [[ $(decisions) == "$before" ]] || wrong "moved: addresses were given or refused: $(decisions)"
    stop_server
    other_stop
    rm -f "$LOGS/dnsmasq.leases"
    step "a cable put in beside dnsmasq: nothing given, nobody refused; known after $TOOK s"
}

# decisions: prints what the server has answered about addresses.
decisions() {
    event_values message,mac,address dhcp 'message~^DHCP(NAK|ACK)$' || true
    event_values message,mac,address dhcp message=DHCPOFFER 'address~^192\.' || true
}

# Its address is removed from the interface: nothing is answered.
auto_readdressed() {
    START_LOG=readdressed start_ready "${HERE[@]}" "$(image arch)"
    ip -n "$LAB-srv" address del "$SERVER_ADDRESS/$SERVER_PREFIX" dev srv0
    expect_event 2 diagnostic code=address_lost "text~ $SERVER_ADDRESS\b" interface=srv0
    ip -n "$LAB-srv" address add 192.168.78.1/24 dev srv0
    ask 1 -t 3
    [[ -z $ADDRESS ]] || wrong "without its address it gave $ADDRESS"
    expect_event 2 ignored protocol=DHCP reason=address_gone "why~^srv0 .* $SERVER_ADDRESS\b"
    ip -n "$LAB-srv" address add "$SERVER_ADDRESS/$SERVER_PREFIX" dev srv0
    seconds_until "its address is back" 8 2 diagnostic code=no_other_server interface=srv0
    ask 1
    is_ours "$ADDRESS" || wrong "with its address back the client got '$ADDRESS'"
    forget 1
    ip -n "$LAB-srv" address del 192.168.78.1/24 dev srv0
    stop_server
    step "its address taken away and given back: silent meanwhile, serves after $TOOK s"
}

# Another PXE server on this host uses port 4011.
auto_4011_taken() {
    local pid
    ip netns exec "$LAB-srv" python3 -c '
import socket, sys
held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
held.bind(("", 4011))
print("held", flush=True)
sys.stdin.read()' <> <(:) >"$LOGS/holder" &
    pid=$!
    wait_line "$LOGS/holder" held 5 >/dev/null || fail "port 4011 is not held"
    START_LOG=taken start_ready "${HERE[@]}" --dhcp server "$(image arch)"
    expect_event 2 diagnostic code=boot_server_port_taken "text~ python3 \(process $pid\)"
    ask 1
    is_ours "$ADDRESS" || wrong "port 4011 taken: no lease"
    forget 1
    stop_server
    # As a proxy it sends firmware its file at once (option 43, 6 = 8) and refers no machine to
    # 4011.
    START_LOG=taken-proxy start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp proxy "$(image arch)"
    for what in 0 7; do
        pxe 1 offers "$what" pxe >"$LOGS/offers"
        grep -q "server=$SERVER_ADDRESS .* 43=060108ff" "$LOGS/offers" || wrong "port 4011 taken: $what is offered: $(cat "$LOGS/offers")"
    done
    stop_server
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    step "a host whose port 4011 is taken serves without it"
}
