# shellcheck shell=bash
# What tests ask of a server's log. They look at events, never at the words of a line: lanboot runs
# with `--log json` here, and docs/log-events.md says which events there are and which keys each has.

# has_event [OPTION…] EVENT [KEY=VALUE | KEY~REGEX]…: whether the server's log has such an event.
has_event() { "$REPO/tests/event" "$SERVER_LOG" "$@" >/dev/null; }

# event_values KEY[,KEY]… EVENT …: prints the values of these keys, a line each.
event_values() { "$REPO/tests/event" --values "$1" "$SERVER_LOG" "${@:2}"; }

# wait_event SECONDS [--pid PID] EVENT …: waits for the first one and prints it; 1 when the time is
# over, or the server or the process PID has ended.
wait_event() {
    measure_speed
    "$REPO/tests/event" --wait "$1" ${SERVER_PID:+--pid "$SERVER_PID"} "$SERVER_LOG" "${@:2}"
}

# wait_sent SECONDS REGEX: until a file whose path matches has been sent whole, over HTTP or TFTP; 1
# also when the machine has ended.
wait_sent() {
    if [[ ${SERVER:-lanboot} == classic ]]; then
        wait_line "$SERVER_LOG" "sent .*$2" "$1" "$GUEST_PID" >/dev/null
    else
        wait_event "$1" --pid "$GUEST_PID" finished "protocol~HTTP|TFTP" "path~$2" >/dev/null
    fi
}

# has_sent REGEX: whether such a file has been sent whole.
has_sent() { has_event finished "protocol~HTTP|TFTP" "path~$1"; }

# last_events [COUNT]: the last events of the server for a message of a test.
last_events() { "$REPO/tests/event" --last "${1:-1}" "$SERVER_LOG"; }

# sentences: what the server's events say in words, a line each: for people, and for documentation.
sentences() { event_values text,detail,why any; }
