# shellcheck shell=bash
# Many images in one folder.
#
# case: many        1,000 images of 20 products: start, memory, time to each loader's menu, every page of it
# images: many -

# Goals on an idle machine, of a release build.
MANY_COLD=2 MANY_WARM=0.5 MANY_MIB=40 MANY_MENU=0.2
# Size a file of a menu may have, in bytes.
MANY_PAGE=16384

case_many() {
    local count=1000
    clients_up "$LOGS"
    need_tools grub-script-check=grub-common xorriso=xorriso
    "$REPO/tests/images/many" "$LOGS/many" "$count" || fail "the images cannot be made"
    step "$count images made"
    many_start cold "$MANY_COLD"
    stop_server
    many_start warm "$MANY_WARM"
    many_first_pages
    many_pages ipxe
    many_pages pxelinux
    many_pages grub
    rm -rf "$LOGS/many"
}

# many_start NAME SECONDS: starts with the folder; it must be ready in that time and small.
many_start() {
    local begun took memory
    begun=$(date +%s.%N)
    START_LOG=many start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp off "$LOGS/many"
    took=$(since "$begun") memory=$(resident "$SERVER_PID")
    step "$1 start: $took s, $memory MiB resident"
    many_within "$took" "$2" || wrong "$1 start took $took s"
    awk -v is="$memory" -v most="$MANY_MIB" 'BEGIN {exit !(is < most)}' || wrong "$memory MiB resident"
}

# many_within SECONDS GOAL: the time is within the goal on a machine this busy.
many_within() {
    measure_speed
    stretch
    awk -v is="$1" -v goal="$2" -v stretch="$STRETCH" 'BEGIN {exit !(is < goal * stretch / 50)}'
}

# The first file of each menu: its size, and the time to its first byte.
many_first_pages() {
    local path seconds size
    for path in 'boot.ipxe?memory=4096' loader/pxelinux/pxelinux.cfg/default grub/grub.cfg; do
        read -r seconds size < <(in_lan curl -sS --fail -o /dev/null -w '%{time_starttransfer} %{size_download}\n' "http://$SERVER_ADDRESS/$path")
        step "$path: first byte after $seconds s, $size bytes"
        ((size > 0 && size <= MANY_PAGE)) || wrong "$path has $size bytes"
        many_within "$seconds" "$MANY_MENU" || wrong "$path took $seconds s"
    done
}

# many_pages KIND: follows every page of a menu; each is small, and every image can be started.
many_pages() {
    local files largest listed file folder=$LOGS/pages-$1
    in_lan "$CLIENTS/menu-pages" "$1" "http://$SERVER_ADDRESS" "$folder" >"$LOGS/menu-$1" || wrong "$1: a page leads nowhere"
    read -r files largest <"$LOGS/menu-$1"
    listed=$(tail -n +2 "$LOGS/menu-$1" | sed -E 's/(26\.[0-9]{4}\.[0-9]{2}).*/\1/' | sort -u)
    step "$1: $files files, the largest has $largest bytes; $(wc -l <<<"$listed") images"
    ((largest <= MANY_PAGE)) || wrong "$1: a page has $largest bytes"
    diff <(cd "$LOGS/many" && printf '%s\n' *.iso | sed 's/\.iso$//' | sort) <(echo "$listed") >"$LOGS/missing-$1" ||
        wrong "$1: the menu does not list every image: $(head -n 3 "$LOGS/missing-$1")"
    [[ $1 == grub ]] || return 0
    for file in "$folder"/*; do
        grub-script-check "$file" >"$LOGS/check" 2>&1 || wrong "GRUB does not understand ${file##*/}: $(head -n 1 "$LOGS/check")"
    done
}
