# shellcheck shell=bash
# The NBD server with libnbd, QEMU, nbd-client, nbdkit and fio. The Linux kernel's own client is
# tested in virtual machines.

case_nbd() {
    clients_up "$LOGS"
    need_tools nbdinfo=libnbd-bin nbdcopy=libnbd-bin qemu-img=qemu-utils nbd-client=nbd-client \
        nbdkit=nbdkit fio=fio
    /usr/bin/python3 -c 'import nbd' 2>/dev/null || fail "missing tools: apt-get install -y python3-libnbd"
    # Not a whole number of sectors, so that there is padding: 412 bytes of zeros.
    { cat "$(image arch)" && head -c 100 /dev/urandom; } >"$LOGS/odd.iso"
    { cat "$LOGS/odd.iso" && head -c 412 /dev/zero; } >"$LOGS/odd.padded"
    serve "$(image arch)" "$(image arch-2013)" "$LOGS/odd.iso"
    URL=nbd://$SERVER_ADDRESS
    nbd_loss_begins
    nbd_lists
    nbd_copies
    nbd_qemu
    nbd_talks
    nbd_logs
    nbd_many
    nbd_stress
    nbd_loss_ends
    alive
    step "at last $(resident "$SERVER_PID") MiB resident, $(descriptors "$SERVER_PID") descriptors"
    nbd_ends
    nbd_port_taken
}

nbd_lists() {
    local name size
    in_lan nbdinfo --list --json "$URL" >"$LOGS/list.json" 2>"$LOGS/list.err" || wrong "nbdinfo --list: $(tail -n 1 "$LOGS/list.err")"
    # Canonical names, sizes, and features. `archiso` is arch.
    python3 - "$LOGS/list.json" >"$LOGS/list" <<'END' || wrong "nbdinfo --list --json is not understood"
import json, sys
for e in json.load(open(sys.argv[1]))["exports"]:
    print(e["export-name"], e["export-size"], e["is_read_only"], e["can_multi_conn"], e["can_df"], e["can_cache"],
          e["block_size_minimum"], e["block_size_preferred"], e["block_size_maximum"], *e["contexts"])
END
    for name in arch arch-2013 odd; do
        case $name in
        odd) size=$(stat -c %s "$LOGS/odd.padded") ;;
        *) size=$(stat -c %s "$(image $name)") ;;
        esac
        grep -qx "$name $size True True True True 1 4096 33554432 base:allocation" "$LOGS/list" || wrong "nbdinfo --list of $name: $(grep "^$name " "$LOGS/list")"
    done
    [[ $(grep -c '^arch ' "$LOGS/list") == 2 && $(wc -l <"$LOGS/list") == 4 ]] || wrong "nbdinfo --list names $(wc -l <"$LOGS/list") exports"
    in_lan nbdinfo "$URL/arch" >"$LOGS/info" 2>&1 || wrong "nbdinfo: $(tail -n 1 "$LOGS/info")"
    grep -q 'newstyle-fixed without TLS, using structured packets' "$LOGS/info" || wrong "nbdinfo says: $(head -n 1 "$LOGS/info")"
    in_lan "$WITHIN" 20 nbd-client -l "$SERVER_ADDRESS" >"$LOGS/nbd-client" 2>&1 || wrong "nbd-client -l: $(tail -n 1 "$LOGS/nbd-client")"
    for name in arch arch-2013 odd archiso; do
        grep -qx "$name" "$LOGS/nbd-client" || wrong "nbd-client -l does not name $name"
    done
    ! in_lan nbdinfo "$URL/nothing" >"$LOGS/info" 2>&1 || wrong "nbdinfo finds an export that is not there"
    grep -q 'No such file or directory for export: nothing' "$LOGS/info" || wrong "nbdinfo of an export that is not there: $(cat "$LOGS/info")"
    expect_event 5 not-found protocol=NBD path=nothing "ip=$LAN_ADDRESS"
    step "nbdinfo --list, nbd-client -l"
}

# copied URL FILE [nbdcopy FLAGS…]: the whole export must match this file.
copied() {
    in_lan nbdcopy "${@:3}" "$1" "$LOGS/copy" 2>"$LOGS/copy.err" || wrong "nbdcopy $1: $(tail -n 1 "$LOGS/copy.err")"
    same "$2" "$LOGS/copy" "nbdcopy $1"
    rm -f "$LOGS/copy"
}

nbd_copies() {
    copied "$URL/arch" "$(image arch)"
    copied "$URL/arch" "$(image arch)" --connections=1 --requests=1 --request-size=4096
    copied "$URL/arch" "$(image arch)" --synchronous
    copied "$URL/archiso" "$(image arch)"
    copied "$URL" "$(image arch)"
    copied "$URL/arch-2013.iso" "$(image arch-2013)" --connections=16 --request-size=33554432
    copied "$URL/odd" "$LOGS/odd.padded"
    in_lan nbdinfo --map "$URL/odd" >"$LOGS/map" 2>&1 || wrong "nbdinfo --map: $(tail -n 1 "$LOGS/map")"
    [[ $(awk '{print $2, $3}' "$LOGS/map") == "$(stat -c %s "$LOGS/odd.iso") 0"$'\n'"412 3" ]] || wrong "nbdinfo --map says: $(cat "$LOGS/map")"
    # Through a server that is a client of this one.
    in_lan nbdkit -U - nbd uri="$URL/arch" --run "nbdcopy \"\$uri\" '$LOGS/copy'" 2>"$LOGS/copy.err" || wrong "nbdkit nbd: $(tail -n 1 "$LOGS/copy.err")"
    same "$(image arch)" "$LOGS/copy" "nbdkit nbd"
    rm -f "$LOGS/copy"
    step "nbdcopy, nbdkit"
}

nbd_qemu() {
    in_lan qemu-img info --output=json "$URL/arch-2013" >"$LOGS/qemu-info" 2>&1 || wrong "qemu-img info: $(tail -n 1 "$LOGS/qemu-info")"
    grep -q "\"virtual-size\": $(stat -c %s "$(image arch-2013)")," "$LOGS/qemu-info" || wrong "qemu-img info says another size"
    in_lan qemu-img convert -f raw -O raw "$URL/arch-2013" "$LOGS/converted" 2>"$LOGS/qemu.err" || wrong "qemu-img convert: $(tail -n 1 "$LOGS/qemu.err")"
    same "$(image arch-2013)" "$LOGS/converted" "qemu-img convert"
    in_lan qemu-img compare -f raw -F raw "$URL/arch" "$(image arch)" >"$LOGS/qemu.err" 2>&1 || wrong "qemu-img compare: $(tail -n 1 "$LOGS/qemu.err")"
    ! in_lan qemu-img compare -f raw -F raw "$URL/arch" "$URL/arch-2013" >"$LOGS/qemu.err" 2>&1 || wrong "qemu-img compare finds two images the same"
    in_lan qemu-img map -f raw --output=json "$URL/odd" >"$LOGS/qemu-map" 2>&1 || wrong "qemu-img map: $(tail -n 1 "$LOGS/qemu-map")"
    grep -q '"zero": true' "$LOGS/qemu-map" || wrong "qemu-img map sees no zeros: $(cat "$LOGS/qemu-map")"
    in_lan qemu-img bench -f raw -c 5000 -d 64 -s 4096 -S 1052672 "$URL/arch-2013" >"$LOGS/qemu.err" 2>&1 || wrong "qemu-img bench: $(tail -n 1 "$LOGS/qemu.err")"
    rm -f "$LOGS/converted"
    step "qemu-img info, convert, compare, map, bench"
}

# talk WHAT [ARGUMENTS…]: unusual requests through libnbd.
talk() {
    local line
    in_lan "$WITHIN" 120 /usr/bin/python3 "$CLIENTS/nbd-talk" "$@" >"$LOGS/talk-$1" 2>"$LOGS/talk-$1.err" ||
        wrong "nbd-talk $1 did not come to its end: $(tail -n 1 "$LOGS/talk-$1.err")"
    while read -r line; do wrong "$1: $line"; done <"$LOGS/talk-$1"
}

nbd_talks() {
    talk options "$URL" arch odd
    talk requests "$URL/odd" "$LOGS/odd.padded"
    step "libnbd: every option and every command"
}

nbd_logs() {
    expect_event 5 started protocol=NBD path=arch "ip=$LAN_ADDRESS" "len=$(stat -c %s "$(image arch)")"
    expect_event 5 finished protocol=NBD path=arch "ip=$LAN_ADDRESS" 'sent~^[0-9]{7,}$'
    expect_event 5 ignored protocol=NBD "ip=$LAN_ADDRESS"
    # Listing and querying does not count as use of a disk.
    local before
    before=$(nbd_logged)
    in_lan nbdinfo --list "$URL" >/dev/null 2>&1 || wrong "nbdinfo --list"
    in_lan qemu-img info "$URL/odd" >/dev/null 2>&1 || wrong "qemu-img info"
    copied "$URL/odd" "$LOGS/odd.padded" --connections=1
    # Start and end are logged, and nothing before.
    wait_until 5 nbd_logged_more "$before" || wrong "a copy is not logged"
    [[ $(nbd_logged) == $((before + 2)) ]] || wrong "a list, a query and a copy are logged in $(($(nbd_logged) - before)) events"
}
# Counts the events about disks used by the tools on the LAN.
nbd_logged() { count_events 'started|finished' protocol=NBD "ip=$LAN_ADDRESS" || true; }
nbd_logged_more() { (($(nbd_logged) >= $1 + 2)); }

# 200 connections at once: 50 copies over 4 each, and 200 of one program; every byte is compared.
nbd_many() {
    local number pids=() begun failed=0
    begun=$(date +%s.%N)
    for number in {1..50}; do
        # shellcheck disable=SC2016  # the inner shell expands them
        in_lan bash -c 'set -o pipefail; nbdcopy --connections=4 "$1" - | cmp - "$2"' nbd "$URL/arch" "$(image arch)" >"$LOGS/many-$number" 2>&1 &
        pids+=($!)
    done
    for number in "${pids[@]}"; do wait "$number" || failed=$((failed + 1)); done
    ((failed == 0)) || wrong "$failed of 50 copies at once: $(cat "$LOGS"/many-* | head -n 1)"
    rm -f "$LOGS"/many-*
    step "50 copies at once: $(since "$begun") s, $(resident "$SERVER_PID") MiB resident"
    begun=$(date +%s.%N)
    talk many "$URL/arch-2013" "$(image arch-2013)" 200 64
    step "200 connections at once, 64 random reads each: $(since "$begun") s, $(resident "$SERVER_PID") MiB resident"
}

# Load by another tool: random sizes, 64 at once on each of 20 connections.
nbd_stress() {
    in_lan fio --name=stress --ioengine=nbd --uri="$URL/arch-2013" --rw=randread --bsrange=512-256k --bs_unaligned=1 --iodepth=64 --numjobs=20 \
        --size="$(stat -c %s "$(image arch-2013)")" --io_size=64m --norandommap --randrepeat=0 --group_reporting --output-format=json >"$LOGS/fio" 2>&1 || wrong "fio: $(tail -n 3 "$LOGS/fio")"
    grep -q '"error" : 0' "$LOGS/fio" || wrong "fio says: $(grep '"error"' "$LOGS/fio")"
    step "fio: 20 connections, 64 requests at once on each"
}

# A machine reading its disk loses the network for 60 seconds.
nbd_loss_begins() {
    client_up 1
    ip -n "$LAB-c1" address add 192.168.77.3/24 dev eth0
    mkfifo "$LOGS/loss-in"
    ip netns exec "$LAB-c1" /usr/bin/python3 "$CLIENTS/nbd-talk" slowly "$URL/arch" "$(image arch)" <>"$LOGS/loss-in" >"$LOGS/loss" 2>&1 &
    LOSS_PID=$!
    LAB_PIDS+=("$LOSS_PID")
    wait_line "$LOGS/loss" '^half' 20 "$LOSS_PID" >/dev/null || wrong "the slow reader does not begin: $(tail -n 1 "$LOGS/loss")"
    ip -n "$LAB-lan" link set c1 down
    LOSS_SINCE=$SECONDS
    # It keeps requesting meanwhile.
    echo on >"$LOGS/loss-in"
}

nbd_loss_ends() {
    local status=0
    step "waiting for the end of 60 s without a network"
    # Clock time: it is what is tested.
    while ((SECONDS < LOSS_SINCE + 60)); do read -r -t 1 <> <(:) || true; done
    ip -n "$LAB-lan" link set c1 up
    # TCP retries at growing intervals.
    ended "$LOSS_PID" 120 || { wrong "the reader did not go on after 60 s without a network"; return; }
    wait "$LOSS_PID" || status=$?
    [[ $status == 0 && $(tail -n 1 "$LOGS/loss") == whole ]] || wrong "60 s without a network: $(tail -n 1 "$LOGS/loss")"
    ! has_event failed ip=192.168.77.3 || wrong "60 s without a network: the server gave up: $(event_texts failed ip=192.168.77.3)"
    step "60 s without a network: read to the end, $((SECONDS - LOSS_SINCE - 60)) s after it came back"
}

# SIGTERM closes idle disks at once.
nbd_ends() {
    mkfifo "$LOGS/idle-in"
    ip netns exec "$LAB-lan" /usr/bin/python3 "$CLIENTS/nbd-talk" idle "$URL/arch" <>"$LOGS/idle-in" >"$LOGS/idle" 2>&1 &
    LAB_PIDS+=($!)
    wait_line "$LOGS/idle" '^idle' 20 "${LAB_PIDS[-1]}" >/dev/null || wrong "the idle client does not begin"
    kill "$SERVER_PID"
    ended "$SERVER_PID" 5 || wrong "SIGTERM: an idle disk holds the program"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM: exit status $STOP_STATUS"
}

# Another NBD server on the host is reported in the log.
nbd_port_taken() {
    local other
    ip -n "$LAB-srv" address replace "$SERVER_ADDRESS/$SERVER_PREFIX" dev srv0
    ip -n "$LAB-srv" link set srv0 up
    ip netns exec "$LAB-srv" nbdkit -f -r -i "$SERVER_ADDRESS" file "$(image arch)" >"$LOGS/other.log" 2>&1 &
    other=$!
    LAB_PIDS+=("$other")
    wait_until 10 nbd_other_listens || wrong "nbdkit does not listen"
    START_LOG=taken start_ready --dhcp off "$(image arch)"
    expect_event 5 diagnostic code=protocol_not_served 'text~^NBD .*TCP port 10809 .* nbdkit '
    ! has_event diagnostic code=serving 'text~\bNBD\b' || wrong "the log says that NBD is served"
    stop_server
    [[ $STOP_STATUS == 0 ]] || wrong "SIGTERM without NBD: exit status $STOP_STATUS"
    kill "$other"
}
nbd_other_listens() { in_lan nbdinfo --size "$URL" >/dev/null 2>&1; }
