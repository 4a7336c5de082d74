# shellcheck shell=bash
# Malformed input, and its effect on other clients.

case_hostile() {
    local size
    clients_up "$LOGS"
    client_up 1
    # A shell's default limit; ten thousand connections exceed it.
    ulimit -Sn 1024
    serve "$(image arch)"
    unpack arch
    HOSTILE_FILE=arch/boot/x86_64/vmlinuz-linux
    size=$(stat -c %s "$LOGS/tree-arch/$HOSTILE_FILE")
    step "at first $(resident "$SERVER_PID") MiB resident, $(descriptors "$SERVER_PID") descriptors"
    mkfifo "$LOGS/vanish-in"
    ip netns exec "$LAB-lan" python3 "$CLIENTS/hostile" vanish "$SERVER_ADDRESS" "$HOSTILE_FILE" <>"$LOGS/vanish-in" >"$LOGS/vanish" 2>&1 &
    LAB_PIDS+=($!)
    hostile_end_begins
    throw dhcp "$SERVER_ADDRESS"
    has_event ignored protocol=DHCP reason=unknown_relay 'why~\b10\.1\.2\.3\b' || wrong "the log does not mention the relay of an unknown network"
    has_event ignored protocol=DHCP reason=not_ethernet || wrong "the log does not mention hlen 255"
    throw tftp "$SERVER_ADDRESS" "$HOSTILE_FILE" "$size"
    throw http "$SERVER_ADDRESS" "$HOSTILE_FILE" "$size"
    hostile_sip
    hostile_idle
    # The machine that vanished during TFTP: retransmitted to for a while, then given up.
    expect_event 40 failed protocol=TFTP "path=$HOSTILE_FILE" "ip=$LAN_ADDRESS" sent=0 reason=no_answer
    hostile_end_ends
    serves_as_before "after it all"
    # Neither as they are nor behind the escapes of JSON.
    event_values path,request,detail,why,text any >"$LOGS/values"
    ! LC_ALL=C grep -qP '[^\n\x20-\x7e\xc2-\xf4\x80-\xbf]' "$SERVER_LOG" "$LOGS/values" || wrong "control characters reached the log"
    step "at last $(resident "$SERVER_PID") MiB resident, $(descriptors "$SERVER_PID") descriptors, a log of $(stat -c %s "$SERVER_LOG") bytes"
    awk -v m="$(resident "$SERVER_PID")" 'BEGIN {exit !(m < 100)}' || wrong "$(resident "$SERVER_PID") MiB resident at last"
    (($(descriptors "$SERVER_PID") < 64)) || wrong "$(descriptors "$SERVER_PID") descriptors are open at last"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
}

# A second server is stopped while a machine reads one byte per second: it waits, but not forever.
hostile_end_begins() {
    local first=$SERVER_PID first_log=$SERVER_LOG
    START_LOG=ending start_ready --address 192.168.77.11/24 --dhcp off "$(image arch)"
    ENDING_PID=$SERVER_PID ENDING_LOG=$SERVER_LOG
    mkfifo "$LOGS/ending-in"
    ip netns exec "$LAB-lan" python3 "$CLIENTS/hostile" sip 192.168.77.11 iso/arch.iso <>"$LOGS/ending-in" >"$LOGS/ending-sip" 2>&1 &
    LAB_PIDS+=($!)
    wait_event 5 started protocol=HTTP path=/iso/arch.iso >/dev/null || fail "the slow reader does not begin"
    SERVER_PID=$first SERVER_LOG=$first_log
    kill "$ENDING_PID"
    ENDING_SINCE=$(date +%s.%N)
}

hostile_end_ends() {
    local status=0
    ended "$ENDING_PID" 40 || { wrong "SIGTERM: a machine of one byte per second holds the program for ever"; return; }
    wait "$ENDING_PID" || status=$?
    [[ $status == 0 ]] || wrong "SIGTERM and a machine of one byte per second: exit status $status"
    SERVER_LOG=$ENDING_LOG has_event diagnostic code=transfers_interrupted 'text~ [0-9]+ s ' || wrong "SIGTERM: an interrupted transfer is not logged: $(tail -n 1 "$ENDING_LOG")"
    step "SIGTERM and a machine of one byte per second: over, seen $(since "$ENDING_SINCE") s later"
}

# throw SERVICE ARGUMENTS…: errors found by `hostile` count; the server must still serve.
throw() {
    local line
    in_lan "$WITHIN" 60 python3 "$CLIENTS/hostile" "$@" >"$LOGS/hostile-$1" 2>"$LOGS/hostile-$1.err" ||
        wrong "hostile $1 did not come to its end: $(tail -n 1 "$LOGS/hostile-$1.err")"
    while read -r line; do wrong "$1: $line"; done <"$LOGS/hostile-$1"
    alive
    serves_as_before "after hostile $1"
    step "$1: $(resident "$SERVER_PID") MiB resident"
}

serves_as_before() {
    ask 1
    [[ -n $ADDRESS ]] || wrong "$1: no lease"
    in_client 1 "$WITHIN" 10 curl -sS --fail -o "$LOGS/got" "http://$SERVER_ADDRESS/$HOSTILE_FILE" 2>>"$LOGS/curl.log" || wrong "$1: no HTTP"
    same "$LOGS/tree-arch/$HOSTILE_FILE" "$LOGS/got" "$1: HTTP"
    in_client 1 "$WITHIN" 10 curl -sS --tftp-blksize 1468 -o "$LOGS/got" "tftp://$SERVER_ADDRESS/$HOSTILE_FILE" 2>>"$LOGS/curl.log" || wrong "$1: no TFTP"
    same "$LOGS/tree-arch/$HOSTILE_FILE" "$LOGS/got" "$1: TFTP"
}

# A reader of one byte per second is served, and others beside it at full speed.
hostile_sip() {
    local pid number
    mkfifo "$LOGS/sip"
    for number in 1 2 3 4 5 6 7 8 9 10; do
        ip netns exec "$LAB-lan" python3 "$CLIENTS/hostile" sip "$SERVER_ADDRESS" iso/arch.iso <>"$LOGS/sip" >"$LOGS/sipping-$number" 2>&1 &
        pid=$!
        LAB_PIDS+=("$pid")
        wait_line "$LOGS/sipping-$number" sipping 5 "$pid" >/dev/null || wrong "slow reader $number does not begin"
    done
    for number in 1 2 3 4 5; do
        served_soon "beside ten readers of one byte per second"
    done
    for number in 1 2 3 4 5 6 7 8 9 10; do
        ! grep -v sipping "$LOGS/sipping-$number" || wrong "slow reader $number: $(tail -n 1 "$LOGS/sipping-$number")"
        kill "${LAB_PIDS[-$number]}"
    done
    step "ten readers of one byte per second, others beside them: $(resident "$SERVER_PID") MiB resident"
}

# Ten thousand idle connections, from a hundred addresses.
hostile_idle() {
    local pid number addresses=()
    for number in {155..254}; do
        ip -n "$LAB-lan" address add "192.168.77.$number/24" dev lan0
        addresses+=("192.168.77.$number")
    done
    mkfifo "$LOGS/idle-in"
    ip netns exec "$LAB-lan" python3 "$CLIENTS/hostile" idle "$SERVER_ADDRESS" 10000 "${addresses[@]}" <>"$LOGS/idle-in" >"$LOGS/idle" 2>&1 &
    pid=$!
    LAB_PIDS+=("$pid")
    # While they connect, and once they are connected.
    served_soon "while 10,000 idle connections come"
    wait_line "$LOGS/idle" '^open' 60 "$pid" >/dev/null || wrong "the idle connections: $(tail -n 1 "$LOGS/idle")"
    for number in 1 2 3 4 5; do
        served_soon "beside 10,000 idle connections"
    done
    step "10,000 idle connections ($(tail -n 1 "$LOGS/idle")): $(resident "$SERVER_PID") MiB resident, $(descriptors "$SERVER_PID") descriptors"
    kill "$pid"
    wait "$pid" 2>/dev/null || true
    alive
    wait_until 10 few_descriptors || wrong "$(descriptors "$SERVER_PID") descriptors are open after the idle connections went"
}

few_descriptors() { (($(descriptors "$SERVER_PID") < 64)); }

# served_soon WHEN: downloads a small and a larger file within two seconds.
served_soon() {
    in_client 1 "$WITHIN" 2 curl -sS --fail -o /dev/null -o "$LOGS/got" "http://$SERVER_ADDRESS/boot.ipxe" "http://$SERVER_ADDRESS/$HOSTILE_FILE" 2>>"$LOGS/curl.log" ||
        wrong "$1: two files are not served in 2 s: $(tail -n 1 "$LOGS/curl.log")"
}
