# shellcheck shell=bash
# The single place where tests decide that something takes too long.
#
# A deadline is a number of seconds on an idle machine of the speed REFERENCE. Elsewhere it lasts
# longer: each moment of waiting is weighted by the share of a processor a process gets in it (the
# runnable processes in /proc/loadavg per processor) and by the measured speed of one. So a deadline
# also holds if the load rises while it runs. Fixed seconds are only for what the program does after
# a fixed time, and for checking that something does not happen.

# Microseconds that `busy` takes on the machine for which deadlines are written.
REFERENCE=4000
# Longest duration of a second, whatever the load.
LONGEST_SECOND=20
PROCESSORS=$(nproc)

busy() {
    local i
    for ((i = 0; i < 2000; i++)); do :; done
}

# now: sets NOW, in microseconds.
now() { NOW=${EPOCHREALTIME/[.,]/}; }

# measure_speed: sets SLOWNESS, the time `busy` takes in per cent of REFERENCE, at least 100: the
# best of twenty that each fit into one time slice on a loaded processor. Measured once per run.
measure_speed() {
    local begun best=
    [[ -z ${SLOWNESS:-} ]] || return 0
    for _ in {1..20}; do
        now
        begun=$NOW
        busy
        now
        [[ $best ]] && ((NOW - begun >= best)) || best=$((NOW - begun))
    done
    SLOWNESS=$((best > REFERENCE ? best * 100 / REFERENCE : 100))
    export SLOWNESS
}

# stretch: sets STRETCH, how long a second of a deadline lasts at this moment, in per cent.
stretch() {
    local wanting
    read -r _ _ _ wanting _ </proc/loadavg
    # Without this process.
    wanting=$((${wanting%/*} - 1))
    STRETCH=$((wanting > PROCESSORS ? SLOWNESS * wanting / PROCESSORS : SLOWNESS))
    ((STRETCH <= LONGEST_SECOND * 100)) || STRETCH=$((LONGEST_SECOND * 100))
}

# deadline SECONDS: starts one, in the caller's own variables `left` and `seen`.
deadline() {
    measure_speed
    now
    left=$(($1 * 1000000)) seen=$NOW
}

# in_time: counts the time since the last call against the caller's deadline; returns 1 when it is
# over. If this process was not scheduled for long, neither were others.
in_time() {
    local moment
    now
    moment=$((NOW - seen)) seen=$NOW
    ((moment <= 500000)) || moment=500000
    stretch
    left=$((left - moment * 100 / STRETCH))
    ((left > 0))
}

# scaled SECONDS: prints how long these seconds of a deadline last now, doubled as a margin: for
# programs with their own timeouts.
scaled() {
    measure_speed
    stretch
    echo $(($1 * STRETCH / 50))
}

# nap: pauses briefly, without a process.
nap() { read -r -t "${1:-0.05}" <> <(:) || true; }

is_running() { kill -0 "$1" 2>/dev/null; }
is_off() { ! is_running "$1"; }

# wait_until SECONDS COMMAND…: checks a condition 20 times a second; returns 1 when the time is
# over.
wait_until() {
    local left seen
    deadline "$1"
    shift
    until "$@"; do
        in_time || return 1
        nap
    done
}

# wait_line FILE REGEX SECONDS [PID]: prints the first line of FILE, old or new, that matches;
# returns 1 when the time is over or the process PID has ended.
wait_line() {
    local file=$1 regex=$2 pid=${4:-} left seen lines found follower searcher line='' part status=0
    [[ -e $file ]] || : >>"$file"
    exec {lines}< <(exec tail -n +1 -s 0.1 -f ${pid:+--pid="$pid"} "$file" 2>/dev/null)
    follower=$!
    exec {found}< <(exec grep -a -m 1 -E -- "$regex" <&"$lines")
    searcher=$!
    exec {lines}<&-
    deadline "$3"
    while :; do
        status=0
        # What is read before the time is over is the beginning of the line.
        IFS= read -r -t 0.25 -u "$found" part || status=$?
        line+=$part
        # Over 128: nothing yet. Otherwise a line, or the reader has ended.
        ((status > 128)) || break
        in_time || break
    done
    exec {found}<&-
    kill "$follower" "$searcher" 2>/dev/null || true
    ((status == 0)) || return 1
    printf '%s\n' "$line"
}

# wait_text FILE REGEX SECONDS PID: waits for text in FILE, including incomplete lines, as left by
# full-screen programs; returns 1 when the time is over or the process has ended.
wait_text() {
    wait_until "$3" has_text_or_is_off "$1" "$2" "$4" && has_text "$1" "$2"
}
has_text_or_is_off() { has_text "$1" "$2" || is_off "$3"; }
has_text() { grep -aqE -- "$2" "$1"; }

# ended PID SECONDS: waits until the process has ended; returns 1 if it has not.
ended() { wait_until "$2" is_off "$1"; }
