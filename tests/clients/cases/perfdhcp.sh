# shellcheck shell=bash
# Many machines at once, simulated by Kea's load tool: through a relay, each for the first time.

# A pool for all of them needs a larger network.
crowd_up() {
    SERVER_PREFIX=16 POOL_FIRST=192.168.80.1 POOL_LAST=192.168.99.254
    clients_up "$LOGS"
    need_tools perfdhcp=kea-admin
    serve "$(image arch)"
}

# crowd CLIENTS RATE: writes perfdhcp's report to LOGS/perfdhcp.
crowd() {
    in_lan perfdhcp -4 -u -r "$2" -n "$1" -R 100000000 -s 1 -W "$(scaled 2)000000" -d "$(scaled 2)" -l lan0 "$SERVER_ADDRESS" >"$LOGS/perfdhcp" 2>&1
}

# Compares the log's ACKs with the leases on disk, after the server has exited.
leases_are_right() {
    python3 "$CLIENTS/leases" "$LOGS/state/leases.db" "$SERVER_LOG" >"$LOGS/leases" 2>&1 || wrong "leases: $(tail -n 1 "$LOGS/leases")"
    step "$(cat "$LOGS/leases")"
}

case_perfdhcp() {
    local discovers requests
    crowd_up
    # Its exit status only depends on whether a packet was late.
    crowd 2000 400 || true
    discovers=$(completed DISCOVER-OFFER)
    requests=$(completed REQUEST-ACK)
    step "perfdhcp: $discovers of 2000 DISCOVERs and $requests REQUESTs answered, $(grep -m 1 '^Rate:' "$LOGS/perfdhcp")"
    ((discovers >= 1980)) || wrong "only $discovers of 2000 DISCOVERs were answered"
    ((requests >= 1980)) || wrong "only $requests of 2000 machines got an address"
    ! grep -E 'non unique addresses: *[1-9]' "$LOGS/perfdhcp" || wrong "perfdhcp saw an address twice"
    step "server: $(resident "$SERVER_PID") MiB resident"
    alive
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
    leases_are_right
}

# completed EXCHANGE: prints how many were answered.
completed() { awk -v name="$1" '$0 ~ name {on = 1} on && /received packets:/ {print $3; exit}' "$LOGS/perfdhcp"; }

case_restart() {
    local address pid
    crowd_up
    client_up 1
    ask 1
    address=$ADDRESS
    [[ -n $address ]] || fail "no lease"
    crowd 2000 300 &
    pid=$!
    wait_events 300 20 dhcp message=DHCPACK || fail "fewer than 300 ACKs in 20 s"
    kill -9 "$SERVER_PID"
    wait "$SERVER_PID" 2>/dev/null || true
    step "killed after $(count_events dhcp message=DHCPACK) ACKs, with machines asking"
    serve "$(image arch)"
    kill -0 "$pid" 2>/dev/null || wrong "the load was over before the server was back"
    in_client 1 ip address flush dev eth0 scope global
    ask 1
    [[ $ADDRESS == "$address" ]] || wrong "a machine had $address before the kill and has '$ADDRESS' after it"
    wait "$pid" || true
    step "perfdhcp: $(completed REQUEST-ACK) of 2000 answered"
    # An offer is no promise: one of the killed server may be made again to another machine.
    ! sed -n '/REQUEST-ACK/,$p' "$LOGS/perfdhcp" | grep -E 'non unique addresses: *[1-9]' ||
        wrong "perfdhcp saw an address given twice"
    alive
    stop_server
    leases_are_right
}
