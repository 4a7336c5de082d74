# shellcheck shell=bash disable=SC2034  # what lib.sh reads
# --once exits when the machine is up with its address, and not before, however slow the machine is
# between its root, its signature and its own DHCP. The order of requests is archiso's.
#
# case: endings            --once as the only DHCP server, a signed root over HTTP
# case: endings-proxy      --once beside another DHCP server, a signed root over HTTP
# case: endings-nbd        --once as the only DHCP server, the root copied from a disk over NBD
# long: endings-nfs        the same over NFS
# long: endings-proxy-nbd  --once beside another DHCP server, the root copied over NBD
# long: endings-proxy-nfs  the same over NFS
# long: endings-uefi       --once and a UEFI machine, over HTTP
# long: endings-idle       --until-idle 20s and a machine that pauses for longer, over HTTP
# long: endings-stream     --once and a root on the server over NFS: lanboot keeps running

# once TRANSPORT APPEND FLAGS…: boots a machine that pauses between the steps; it comes up, then
# lanboot exits.
once() {
    local transport=$1 append=$2 status=0
    shift 2
    image arch
    start_server "$IMAGE" -- --menu-timeout 0 --transport "$transport" --append "$QUIET lanboot_pause=${PAUSE:-6} $append" "$@"
    start_guest 1
    wait_up 1 "$DEADLINE"
    expect transport "$transport"
    expect dhcp ok
    expect cms ok
    wait_until 60 is_off "$SERVER_PID" || fail "lanboot is still there; it said last: $(last_events)"
    wait "$SERVER_PID" || status=$?
    [[ $status == 0 ]] || fail "lanboot ended with status $status"
    has_event boot state=up || fail "that the machine is up is not in the log"
    step "lanboot ended by itself: $(event_values text diagnostic code=stopping)"
}

case_endings() {
    once http '' --once
    [[ $(guest_says dhcp_server) == "$SERVER_ADDRESS" ]] || fail "the address came from $(guest_says dhcp_server)"
}
case_endings-nbd() { once nbd copytoram=y --once; }
case_endings-nfs() { once nfs copytoram=y --once; }
case_endings-uefi() {
    GUEST_FIRMWARE=uefi GUEST_MEMORY=1024
    once http '' --once --loader ipxe
}
case_endings-idle() {
    PAUSE=25
    once http '' --until-idle 20s
}

# proxied TRANSPORT APPEND
proxied() {
    LANBOOT_DHCP=(--dhcp proxy)
    start_other
    once "$1" "$2" --once
    [[ $(guest_says dhcp_server) == "$OTHER_ADDRESS" ]] || fail "the address came from $(guest_says dhcp_server)"
}
case_endings-proxy() { proxied http ''; }
case_endings-proxy-nbd() { proxied nbd copytoram=y; }
case_endings-proxy-nfs() { proxied nfs copytoram=y; }

# The machine keeps running and reads from the server.
case_endings-stream() {
    image arch
    start_server "$IMAGE" -- --menu-timeout 0 --transport nfs --append console=ttyS0 --once
    start_guest 1
    wait_up 1 "$DEADLINE"
    expect copytoram n
    wait_event 10 boot state=streaming >/dev/null || fail "the log does not say that it is up"
    ! wait_until 5 is_off "$SERVER_PID" || fail "lanboot left a machine without its root: $(last_events)"
}
