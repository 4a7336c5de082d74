# shellcheck shell=bash
# Machines that ask to boot are known, over a restart too; `lanboot machine` and curl show them.

# case: machines  machines that asked to boot: listed, kept over a kill, forgotten; 10,000 of them

# known_machine WORD…: runs the command against the running server.
known_machine() { "$LANBOOT" machine --state "$LOGS/state" "$@"; }

# admin_api METHOD PATH: prints the status of the answer and its body, as another client of the socket.
admin_api() { curl -sS -X "$1" -w '\n%{http_code}' --unix-socket "$LOGS/state/admin.sock" "http://lanboot$2"; }

# json_field KEY: prints a value of the JSON object on stdin.
json_field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# is_known MAC ARCHITECTURE: the machine is shown with this firmware.
is_known() { [[ $(known_machine show "$1" --json 2>/dev/null | json_field architecture 2>/dev/null) == "$2" ]]; }

# expect_known MAC ARCHITECTURE: waits for that.
expect_known() { wait_until 10 is_known "$@" || wrong "$1 is not shown with the firmware '$2': $(known_machine show "$1" 2>&1)"; }

# is_in_database MAC: the database has the record of a machine.
is_in_database() {
    python3 - "$LOGS/state/leases.db-wal" "${1//:/}" <<'END'
import sys

with open(sys.argv[1], "rb") as log:
    sys.exit(bytes.fromhex(sys.argv[2]) not in log.read())
END
}

# into_database COUNT: writes so many machines into the database, as a school has them.
into_database() {
    python3 - "$LOGS/state/leases.db" "$1" <<'END'
import sqlite3
import sys

database = sqlite3.connect(sys.argv[1])
rows = (
    (bytes((6, 0, 0, 0, n >> 8, n & 255)), 7, "10.%d.%d.1" % (n >> 8, n & 255), 1800000000 + n, "arch", "up")
    for n in range(int(sys.argv[2]))
)
database.executemany(
    "INSERT INTO machine (mac, arch, firmware_arch, address, first_seen, last_seen, boots, failures, boot_began,"
    " boot_image, boot_outcome) VALUES (?1, ?2, 1, ?3, 1800000000, ?4, 1, 0, 1800000000, ?5, ?6)",
    rows,
)
database.commit()
END
}

case_machines() {
    local mac uefi body count took
    clients_up "$LOGS"
    knows_no_server 'no lanboot runs with the state folder'
    need_tools curl=curl
    serve "$(image arch)"
    SAID=$(known_machine list)
    says 'No machine has asked to boot' 'machine list with none'
    client_up 1
    client_up 2
    mac=$(client_mac 1)
    uefi=$(client_mac 2)
    in_client 1 "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$mac" offers 0 >/dev/null
    in_client 2 "$WITHIN" 30 python3 "$CLIENTS/pxe" eth0 "$uefi" offers 16 http >/dev/null
    expect_known "$mac" 'x86 BIOS'
    expect_known "$uefi" 'x64 UEFI HTTP'
    [[ $(known_machine show "$mac" --json | json_field uuid) == 03020100-0504-0706-0809-0a0b0c0d0e0f ]] ||
        wrong "machine show: $(known_machine show "$mac" --json)"
    # A machine that only wants an address is none that boots.
    ask 1
    count=$(known_machine list --json | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["machines"]))')
    [[ $count == 2 ]] || wrong "$count machines are listed, not 2"
    step "two machines are listed"
    body=$(admin_api GET "/api/v1/machines/$uefi")
    [[ ${body##*$'\n'} == 200 ]] || wrong "curl: $body"
    body=$(admin_api GET /api/v1/machines/nonsense)
    [[ ${body##*$'\n'} == 400 && $body == *'is not a hardware address'* ]] || wrong "a bad address: $body"
    body=$(admin_api GET /api/v1/machines/02:00:00:00:00:99)
    [[ ${body##*$'\n'} == 404 && $body == *'no machine 02:00:00:00:00:99'* ]] || wrong "an unknown one: $body"
    body=$(admin_api POST /api/v1/machines)
    [[ ${body##*$'\n'} == 405 ]] || wrong "POST: $body"
    body=$(admin_api GET /api/v2)
    [[ ${body##*$'\n'} == 404 ]] || wrong "another path: $body"
    [[ $(stat -c %a "$LOGS/state/admin.sock") == 600 ]] || wrong "the socket: $(stat -c %A "$LOGS/state/admin.sock")"
    wait_until 20 is_in_database "$mac" || wrong "$mac was not written to the database in 20 s"
    kill -9 "$SERVER_PID"
    wait "$SERVER_PID" 2>/dev/null || true
    knows_no_server 'no lanboot runs with the state folder'
    into_database 10000
    serve "$(image arch)"
    expect_known "$mac" 'x86 BIOS'
    took=$(date +%s.%N)
    count=$(known_machine list | wc -l)
    took=$(since "$took")
    [[ $count == 10003 ]] || wrong "$count lines for 10,002 machines and a title"
    step "10,002 machines are listed in $took s"
    known_machine forget "$mac" >/dev/null
    SAID=$(known_machine show "$mac" 2>&1) && wrong "a forgotten machine is shown"
    says "no machine $mac has asked to boot" 'a forgotten machine'
    alive
    stop_server
    [[ ! -e $LOGS/state/admin.sock ]] || wrong "the socket is left behind"
    serve "$(image arch)"
    ! known_machine show "$mac" >/dev/null 2>&1 || wrong "a forgotten machine is back after a restart"
    stop_server
}

# knows_no_server TEXT: expects that machine list fails with this sentence.
knows_no_server() {
    # shellcheck disable=SC2034  # read by says
    SAID=$(known_machine list 2>&1) && wrong "machine list works without a server"
    says "$1" 'machine list without a server'
}
