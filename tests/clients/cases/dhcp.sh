# shellcheck shell=bash
# Common DHCP clients.

case_dhcp() {
    clients_up "$LOGS"
    need_tools busybox=busybox-static udhcpc=udhcpc dhclient=isc-dhcp-client
    client_up 1
    client_up 2
    client_up 3
    serve "$(image arch)"
    dhcp_udhcpc 1 'busybox udhcpc'
    dhcp_udhcpc 2 udhcpc
    dhcp_dhclient 3
    alive
    stop_server
    dhcp_parameters
    dhcp_only
    dhcp_one_address
    dhcp_squatter
    dhcp_declines
}

# dhcp_udhcpc NUMBER PROGRAM: lease, renewal, release and the same address again, in one process.
dhcp_udhcpc() {
    local number=$1 mac pid address
    mac=$(client_mac "$number")
    udhcpc_start "$number" "$2" -f -t 4 -T 1 -A 2
    pid=$UDHCPC_PID
    wait_line "$LOGS/lease-$number" '^siaddr=.' 15 "$pid" >/dev/null || { wrong "$2: no lease in 15 s"; return; }
    address=$(leased "$number" ip)
    step "$2: $address"
    plain_lease "$number" "$2"
    expect_event 2 dhcp message=DHCPOFFER interface=srv0 "address=$address" "mac=$mac"
    expect_event 2 dhcp message=DHCPACK interface=srv0 "address=$address" "mac=$mac"
    kill -USR1 "$pid"
    wait_line "$LOGS/lease-$number" '^event=renew' 5 "$pid" >/dev/null || wrong "$2: no renewal"
    [[ $(leased "$number" ip) == "$address" ]] || wrong "$2: renewed $address and got $(leased "$number" ip)"
    kill -USR2 "$pid"
    expect_event 5 dhcp message=DHCPRELEASE interface=srv0 "address=$address" "mac=$mac"
    : >"$LOGS/lease-$number"
    kill -USR1 "$pid"
    wait_line "$LOGS/lease-$number" '^event=bound' 8 "$pid" >/dev/null || wrong "$2: no lease after the release"
    [[ $(leased "$number" ip) == "$address" ]] || wrong "$2: had $address, released it and got $(leased "$number" ip)"
    kill "$pid"
    wait "$pid" || true
    step "$2: renewed, released, and the same again"
}

# plain_lease NUMBER WHO: the lease of a machine that does not boot.
plain_lease() {
    local key
    in_pool "$(leased "$1" ip)" || wrong "$2: the address $(leased "$1" ip) is not in the pool"
    for key in "mask 255.255.255.0" "router " "dns " "lease 43200" "serverid $SERVER_ADDRESS" "boot_file "; do
        [[ $(leased "$1" "${key%% *}") == "${key#* }" ]] || wrong "$2: ${key%% *} is '$(leased "$1" "${key%% *}")', not '${key#* }'"
    done
}

in_pool() {
    local last=${1##*.}
    [[ $1 == 192.168.77.* ]] && ((last >= ${POOL_FIRST##*.} && last <= ${POOL_LAST##*.}))
}

# dhclient NUMBER FLAGS…
dhclient_in() {
    local number=$1
    shift
    LEASE_FILE=$LOGS/lease-$number in_client "$number" "$WITHIN" 30 dhclient -4 -v -cf /dev/null \
        -sf "$CLIENTS/lease-script" -lf "$LOGS/dhclient.leases" -pf "$LOGS/dhclient.pid" \
        -e "LEASE_FILE=$LOGS/lease-$number" "$@" eth0 >>"$LOGS/dhclient.log" 2>&1
}

dhcp_dhclient() {
    local number=$1 mac address
    mac=$(client_mac "$number")
    rm -f "$LOGS/lease-$number" "$LOGS/dhclient.leases"
    dhclient_in "$number" -1 || { wrong "dhclient: no lease: $(tail -n 1 "$LOGS/dhclient.log")"; return; }
    address=$(leased "$number" ip)
    step "dhclient: $address"
    plain_lease "$number" dhclient
    # After a reboot it requests its previous address, without a DISCOVER.
    dhclient_stop
    dhclient_in "$number" -1 || wrong "dhclient: nothing after a restart"
    grep -q '^event=REBOOT' "$LOGS/lease-$number" || wrong "dhclient: its old address was not confirmed"
    [[ $(leased "$number" ip) == "$address" ]] || wrong "dhclient: had $address and got $(leased "$number" ip)"
    dhclient_in "$number" -r || wrong "dhclient: -r failed"
    expect_event 5 dhcp message=DHCPRELEASE interface=srv0 "address=$address" "mac=$mac"
    rm -f "$LOGS/dhclient.leases"
    dhclient_in "$number" -1 || wrong "dhclient: nothing after a release"
    [[ $(leased "$number" ip) == "$address" ]] || wrong "dhclient: released $address and got $(leased "$number" ip)"
    dhclient_stop
    # An address of another network: NAK, and it starts again.
    sed 's/fixed-address .*/fixed-address 10.9.9.9;/' "$LOGS/dhclient.leases" >"$LOGS/dhclient.moved"
    mv "$LOGS/dhclient.moved" "$LOGS/dhclient.leases"
    dhclient_in "$number" -1 || wrong "dhclient: nothing after it came from another network"
    grep -q DHCPNAK "$LOGS/dhclient.log" || wrong "dhclient: no NAK for the address of another network"
    expect_event 2 dhcp message=DHCPNAK interface=srv0 address=10.9.9.9 "mac=$mac"
    [[ $(leased "$number" ip) == "$address" ]] || wrong "dhclient: after a NAK it got $(leased "$number" ip)"
    dhclient_stop
    step "dhclient: kept after a restart, released, refused a foreign address, and the same again"
}

dhclient_stop() {
    local pid
    pid=$(cat "$LOGS/dhclient.pid")
    kill "$pid"
    ended "$pid" 5 || wrong "dhclient does not end"
}

# dhcp_server FLAGS…: another server, on the same leases.
dhcp_server() { start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp server "$@" "$(image arch)"; }

dhcp_parameters() {
    dhcp_server --range "$POOL_FIRST-$POOL_LAST" --router 192.168.77.254 --dns 192.168.77.3 --dns 9.9.9.9 --lease-time 30m
    ask 1
    [[ -n $ADDRESS ]] || wrong "no lease with --router and --dns"
    [[ $(leased 1 router) == 192.168.77.254 ]] || wrong "--router: the client got '$(leased 1 router)'"
    [[ $(leased 1 dns) == "192.168.77.3 9.9.9.9" ]] || wrong "--dns: the client got '$(leased 1 dns)'"
    [[ $(leased 1 lease) == 1800 ]] || wrong "--lease-time 30m: the client got '$(leased 1 lease)'"
    stop_server
    step "router and DNS if configured"
}

dhcp_only() {
    dhcp_server --range "$POOL_FIRST-$POOL_LAST" --only "$(client_mac 1)"
    ask 2 -t 2
    [[ -z $ADDRESS ]] || wrong "--only: another machine got $ADDRESS"
    expect_event 2 ignored request=DHCPDISCOVER "mac=$(client_mac 2)" reason=not_in_only
    ask 1
    [[ -n $ADDRESS ]] || wrong "--only: the machine named got nothing"
    stop_server
    step "--only"
}

dhcp_one_address() {
    local pid
    dhcp_server --range 192.168.77.60-192.168.77.60
    udhcpc_start 1 'busybox udhcpc' -f -R -t 4 -T 1 -A 2
    pid=$UDHCPC_PID
    wait_line "$LOGS/lease-1" '^siaddr=.' 10 "$pid" >/dev/null || wrong "a pool of one: the first client got nothing"
    [[ $(leased 1 ip) == 192.168.77.60 ]] || wrong "a pool of one: the first client got '$(leased 1 ip)'"
    ask 2 -t 2
    [[ -z $ADDRESS ]] || wrong "a pool of one: the second client got $ADDRESS"
    expect_event 2 ignored request=DHCPDISCOVER "mac=$(client_mac 2)" reason=pool_full
    # Its owner releases it, and the other client gets it.
    kill "$pid"
    wait "$pid" || true
    grep -q 'unicasting a release of 192.168.77.60' "$LOGS/udhcpc-1.log" || fail "udhcpc -R released nothing"
    expect_event 3 dhcp message=DHCPRELEASE address=192.168.77.60 "mac=$(client_mac 1)"
    ask 2
    [[ $ADDRESS == 192.168.77.60 ]] || wrong "a pool of one: after the release the second client got '$ADDRESS'"
    in_client 2 ip address flush dev eth0 scope global
    stop_server
    step "two clients, one address"
}

# An address in use without a lease is not offered, and the log names the user.
dhcp_squatter() {
    in_client 3 ip address flush dev eth0 scope global
    in_client 3 ip address add 192.168.77.70/24 dev eth0
    dhcp_server --range 192.168.77.70-192.168.77.71
    ask 1 -r 192.168.77.70
    [[ $ADDRESS == 192.168.77.71 ]] || wrong "a squatter on .70: the client got '$ADDRESS'"
    expect_event 2 diagnostic code=address_in_use "text~192\.168\.77\.70 .*$(client_mac 3)"
    in_client 1 ip address flush dev eth0 scope global
    stop_server
    step "a squatter"
}

dhcp_declines() {
    local declined
    rm -rf "$LOGS/state"
    dhcp_server --range 192.168.77.80-192.168.77.89
    # udhcpc declines if another machine answers ARP for its address. The server does not probe an
    # address with a valid lease, so only the client detects the conflict there.
    ask 1
    declined=$ADDRESS
    in_client 1 ip address flush dev eth0 scope global
    in_client 3 ip address add "$declined/24" dev eth0
    ask 1 -a -A 1
    [[ -n $ADDRESS && $ADDRESS != "$declined" ]] || wrong "udhcpc declined $declined and got '$ADDRESS'"
    expect_event 2 dhcp message=DHCPDECLINE "address=$declined" "mac=$(client_mac 1)"
    in_client 3 ip address flush dev eth0 scope global
    # A client that declines every address is ignored after three, and others are served.
    in_client 2 "$WITHIN" 30 python3 "$CLIENTS/dhcp" eth0 "$(client_mac 2)" decline 4 >"$LOGS/declined"
    [[ $(grep -c '^192\.168\.77\.8[0-9]$' "$LOGS/declined") == 3 && $(tail -n 1 "$LOGS/declined") == nothing ]] ||
        wrong "a client that declines everything got: $(paste -s -d ' ' "$LOGS/declined")"
    [[ -z $(sort "$LOGS/declined" | uniq -d) ]] || wrong "a declined address was offered again: $(paste -s -d ' ' "$LOGS/declined")"
    expect_event 2 ignored request=DHCPDISCOVER "mac=$(client_mac 2)" reason=too_many_declines
    ask 3
    [[ -n $ADDRESS ]] || wrong "after the declines another machine gets nothing"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
    step "declines"
}
