# shellcheck shell=bash
# Foreign devices on the cable, and two instances of lanboot.

case_strangers() {
    clients_up "$LOGS"
    need_tools busybox=busybox-static
    local number
    for number in 1 2 3; do client_up "$number"; done
    HERE=(--address "$SERVER_ADDRESS/$SERVER_PREFIX" --range "$POOL_FIRST-$POOL_LAST")
    strangers_vlan
    strangers_two
    strangers_own_address
}

# A DHCP server of another VLAN on the same cable does not count; one without a tag does.
strangers_vlan() {
    START_LOG=vlan start_ready "${HERE[@]}" "$(image arch)"
    pxe 2 speak 10.10.0.9 10
    ask 1
    is_ours "$ADDRESS" || wrong "beside VLAN 10's server the client got '$ADDRESS'"
    ! has_event diagnostic code=stepped_down || wrong "VLAN 10's server made it step down"
    forget 1
    # Tag 0 is only a priority.
    pxe 2 speak 10.10.0.9 0
    expect_event 2 diagnostic code=stepped_down 'text~10\.10\.0\.9\b' interface=srv0
    stop_server
    step "another VLAN's DHCP server is not heard"
}

# Two that start together, and a machine that asks both, so that each receives the other's offer.
strangers_two() {
    local second offers
    : >"$LOGS/second.log"
    in_client 2 ip address flush dev eth0 scope global
    ip netns exec "$LAB-c2" "$LANBOOT" serve --log json --interface eth0 --state "$LOGS/second-state" --address "$OTHER/24" \
        --range 192.168.77.200-192.168.77.210 "$(image arch)" >"$LOGS/second.log" 2>&1 &
    second=$!
    LAB_PIDS+=("$second")
    START_LOG=first start "${HERE[@]}" "$(image arch)"
    wait_until 12 strangers_decided || true
    offers=$(pxe 3 offers 0)
    [[ $(grep -c 'yiaddr=192' <<<"$offers") == 1 ]] || wrong "two lanboots and a machine: not exactly one hands out addresses: $offers"
    kill "$second"
    wait "$second" || true
    stop_server
    step "two started together while a machine asks: one hands out addresses"
}

# Requests once more, and returns whether one of the two has stepped down.
strangers_decided() {
    ! "$REPO/tests/event" "$SERVER_LOG" "$LOGS/second.log" diagnostic 'code~^(stepped_down|other_server)$' >/dev/null || return 0
    pxe 3 ask-once
    return 1
}

# An address added to the host after startup answers no probe of its own.
strangers_own_address() {
    START_LOG=own start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --range 192.168.77.50-192.168.77.51 "$(image arch)"
    in_srv ip address add 192.168.77.50/24 dev srv0
    in_srv ip address add 192.168.77.51/24 dev srv0
    # It checks its own addresses when it probes for other servers.
    [[ $(in_client 2 "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$(srv0_mac)" question) == asked ]] || wrong "it does not ask again"
    ask 1 -t 2
    [[ -z $ADDRESS ]] || wrong "it handed out its own address $ADDRESS"
    in_srv ip address flush dev srv0 to 192.168.77.50/31
    stop_server
    step "addresses the host gets later are not handed out"
}
