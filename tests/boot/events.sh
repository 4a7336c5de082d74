# shellcheck shell=bash
# What tests ask of a server's log. They look at events, never at the words of a line: lanboot runs
# with `--log json` here, and docs/log-events.md says which events there are and which keys each has.

# has_event [OPTION…] EVENT [KEY=VALUE | KEY~REGEX]…: whether the server's log has such an event.
has_event() { "$REPO/tests/event" "$SERVER_LOG" "$@" >/dev/null; }

# count_events EVENT …: prints how many.
count_events() { "$REPO/tests/event" --count "$SERVER_LOG" "$@"; }

# has_events COUNT EVENT …: whether there are at least so many.
has_events() { (($(count_events "${@:2}") >= $1)); }

# event EVENT …: prints them, one JSON line each.
event() { "$REPO/tests/event" "$SERVER_LOG" "$@"; }

# event_value KEY EVENT …: prints the values of this key.
event_value() {
    event "${@:2}" | python3 -c 'import json, sys
for line in sys.stdin: print(json.loads(line)[sys.argv[1]])' "$1"
}

# wait_event SECONDS EVENT …: waits for the first one and prints it; 1 when the time is over or the
# server has ended.
wait_event() {
    measure_speed
    "$REPO/tests/event" --wait "$1" ${SERVER_PID:+--pid "$SERVER_PID"} "$SERVER_LOG" "${@:2}"
}

# wait_sent SECONDS REGEX: until a file whose path matches has been sent whole, over HTTP or TFTP.
wait_sent() {
    if [[ ${SERVER:-lanboot} == classic ]]; then
        wait_line "$SERVER_LOG" "sent .*$2" "$1" "$SERVER_PID" >/dev/null
    else
        wait_event "$1" finished "protocol~HTTP|TFTP" "path~$2" >/dev/null
    fi
}

# has_sent REGEX: whether such a file has been sent whole.
has_sent() { has_event finished "protocol~HTTP|TFTP" "path~$1"; }

# last_events [COUNT]: the last events of the server for a message of a test.
last_events() { "$REPO/tests/event" --last "${1:-1}" "$SERVER_LOG"; }

# sentences: what the server's events say in words, a line each: for people, and for documentation.
sentences() {
    python3 -c 'import json, sys
for line in sys.stdin:
    try:
        event = json.loads(line)
    except ValueError:
        continue
    for key in ("text", "detail", "why"):
        if key in event:
            print(event[key])' <"$SERVER_LOG"
}
