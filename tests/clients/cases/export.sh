# shellcheck shell=bash
# Output of `lanboot export`, checked by its target programs; the three DHCP servers are run with it
# and queried by machines of every kind, and their answers must equal those of lanboot itself.

# Every kind of firmware with a number, unassigned numbers, and iPXE on several; then those whose
# number (option 93) contradicts the class (option 60), or the number within it.
EXPORT_KINDS=(
    pxe:{0,1,2,6,7,8,9,10,11,25,27,37,39,41,65535} http:{15,16,17,18,19,20,26,28,38,40}
    ipxe:{0,6,7,9,11,16,27,41,65535}
    pxe:{15,16,17,19,20,28} http:{0,2,6,7,9,10,11,27,41,65535} {pxe,http}:{7/16,16/7,11/0} pxe:0/11
    # Without option 93, with and without a number in option 60; Raspberry Pis.
    {pxe,ipxe}:-/{-,0,7,9,11,41} http:-/{-,0,16,19} pxe:{0,-,-/0,11,41}@{pi,rpi5}
)

case_export() {
    clients_up "$LOGS"
    need_tools dnsmasq=dnsmasq-base dhcpd=isc-dhcp-server kea-dhcp4=kea-dhcp4-server \
        grub-script-check=grub-common setpriv=util-linux
    client_up 1
    # For requests to port 4011.
    in_client 1 ip address add 192.168.77.9/24 dev eth0
    export_program
    export_menus
    export_servers auto
    export_servers pxelinux --loader pxelinux
    export_servers stock --menu stock
    export_proxy
}

# fragment FORMAT FLAGS…: prints an export, as an unprivileged user.
fragment() {
    setpriv --reuid=65534 --regid=65534 --clear-groups "$LANBOOT" export "$1" --server "$SERVER_ADDRESS" \
        "${@:2}" "$(image arch)" 2>>"$LOGS/export.log"
}

export_program() {
    local said format
    for format in pxelinux grub ipxe dnsmasq isc-dhcp kea mikrotik windows-dhcp; do
        fragment "$format" >"$LOGS/plain-$format" || wrong "export $format failed: $(tail -n 1 "$LOGS/export.log")"
        [[ $(wc -l <"$LOGS/plain-$format") -gt 5 ]] || wrong "export $format prints next to nothing"
        said=$(fragment "$format" --http-port 8080 --append 'a=b c=d')
        [[ $said == *"Run on $SERVER_ADDRESS: lanboot serve --dhcp off --http-port 8080 --append 'a=b c=d' IMAGE"* ]] ||
            wrong "export $format does not say what to run"
    done
    said=$("$LANBOOT" export dnsmask "$(image arch)" 2>&1) && wrong "a format that is none is taken"
    [[ $said == *"did you mean 'dnsmasq'?"* ]] || wrong "a format that is none: $said"
    said=$("$LANBOOT" export kea --server nowhere "$(image arch)" 2>&1) && wrong "--server nowhere is taken"
    [[ $said == *--server* ]] || wrong "--server nowhere: $said"
    # The namespace of the LAN has one interface with an address, a bridge called lan0.
    said=$(in_lan "$LANBOOT" export pxelinux --interface lan0 "$(image arch)")
    [[ $said == *"LINUX $LAN_ADDRESS::iso/arch/"* ]] || wrong "--interface lan0 does not decide the address"
    step "every format, without rights"
}

export_menus() {
    local odd="a='b c' \"q\" \$(reboot) \`id\` ; reboot | sh & {x} #y \\ ||"
    fragment grub >"$LOGS/grub.cfg"
    grub-script-check "$LOGS/grub.cfg" || wrong "grub-script-check refuses the menu"
    fragment grub --append "$odd" --http-port 8080 >"$LOGS/grub-odd.cfg"
    grub-script-check "$LOGS/grub-odd.cfg" || wrong "grub-script-check refuses a menu with odd arguments"
    # Outside its quotes it would be a command or a syntax error.
    sed 's/^if linux .*/&\n}/' "$LOGS/grub-odd.cfg" >"$LOGS/grub-broken.cfg"
    ! grub-script-check "$LOGS/grub-broken.cfg" 2>/dev/null || wrong "grub-script-check finds no fault where there is one"
    step "GRUB's own checker"
}

# export_servers NAME FLAGS…: compares lanboot's offers with these flags with those of each server.
export_servers() {
    local name=$1
    shift
    start_ready --address "$SERVER_ADDRESS/$SERVER_PREFIX" --dhcp server --range "$POOL_FIRST-$POOL_LAST" "$@" "$(image arch)"
    offers "own-$name" "${EXPORT_KINDS[@]}"
    stop_server
    [[ $(grep -vc 'file=-' "$LOGS/own-$name") -ge 2 ]] || wrong "lanboot $* offers nothing; see own-$name"
    address_up
    dnsmasq_server "$name" "$@"
    dhcpd_server "$name" "$@"
    kea_server "$name" "$@"
    address_down
    step "$name: dnsmasq, dhcpd and Kea offer what lanboot offers"
}

# Configures lanboot's address on srv0 for the servers that do not do that themselves.
address_up() { in_srv ip address add "$SERVER_ADDRESS/$SERVER_PREFIX" dev srv0 && in_srv ip link set srv0 up; }
address_down() { in_srv ip address flush dev srv0 scope global; }

# offers FILE [proxy] KIND…: writes the offers for these machines to LOGS/FILE.
offers() { in_client 1 "$WITHIN" 60 python3 "$CLIENTS/offers" eth0 "${@:2}" >"$LOGS/$1"; }

# like_own NAME SERVER [KIND…]: queries the running server, and compares.
like_own() {
    offers "$2-$1" "${EXPORT_KINDS[@]}"
    diff "$LOGS/own-$1" "$LOGS/$2-$1" >"$LOGS/$2-$1.diff" ||
        wrong "$2 with the fragment ($1) answers otherwise: $(grep -m 1 '^[<>]' "$LOGS/$2-$1.diff")"
}

# running LOG REGEX COMMAND…: starts another server; `OTHER` is its process.
running() {
    local log=$1 regex=$2
    shift 2
    ip netns exec "$LAB-srv" "$@" >>"$log" 2>&1 &
    OTHER=$!
    LAB_PIDS+=("$OTHER")
    wait_line "$log" "$regex" 15 "$OTHER" >/dev/null || fail "$1 did not start: $(tail -n 3 "$log")"
}

end_other() {
    kill "$OTHER"
    ended "$OTHER" 10 || kill -9 "$OTHER"
    wait "$OTHER" || true
}

dnsmasq_server() {
    local name=$1 file=$LOGS/dnsmasq-$1.conf
    shift
    fragment dnsmasq "$@" >"$file"
    dnsmasq --test --conf-file="$file" 2>>"$LOGS/dnsmasq.log" || wrong "dnsmasq --test refuses the fragment ($name)"
    printf '%s\n' port=0 no-ping "dhcp-range=$POOL_FIRST,$POOL_LAST" "dhcp-leasefile=$LOGS/dnsmasq.leases" >"$LOGS/dnsmasq-own.conf"
    running "$LOGS/dnsmasq-$name.log" 'dnsmasq-dhcp.*DHCP, IP range' \
        dnsmasq --keep-in-foreground --pid-file= --conf-file="$LOGS/dnsmasq-own.conf" --conf-file="$file" --log-facility=-
    like_own "$name" dnsmasq
    end_other
}

dhcpd_server() {
    local name=$1 file=$LOGS/dhcpd-$1 place
    shift
    fragment isc-dhcp "$@" >"$file.fragment"
    # Valid in a subnet and in the global scope.
    for place in inside outside; do
        {
            [[ $place == inside ]] || echo "include \"$file.fragment\";"
            echo "subnet 192.168.77.0 netmask 255.255.255.0 { range $POOL_FIRST $POOL_LAST;"
            [[ $place == outside ]] || echo "include \"$file.fragment\";"
            echo '}'
        } >"$file-$place.conf"
        dhcpd -t -cf "$file-$place.conf" >"$file-$place.log" 2>&1 || wrong "dhcpd -t refuses the fragment ($name, $place)"
        : >"$LOGS/dhcpd.leases"
        running "$file-$place.log" 'Server starting service' \
            dhcpd -4 -f -d -user root -group root -cf "$file-$place.conf" -lf "$LOGS/dhcpd.leases" -pf "$LOGS/dhcpd.pid" srv0
        like_own "$name" dhcpd
        end_other
    done
}

kea_server() {
    local name=$1 file=$LOGS/kea-$1
    shift
    fragment kea "$@" >"$file.fragment"
    cat >"$file.json" <<END
{ "Dhcp4": { <?include "$file.fragment"?>,
  "interfaces-config": { "interfaces": [ "srv0" ] },
  "lease-database": { "type": "memfile", "persist": false },
  "loggers": [ { "name": "kea-dhcp4", "severity": "INFO", "output_options": [ { "output": "stdout" } ] } ],
  "subnet4": [ { "subnet": "192.168.77.0/24", "id": 1, "pools": [ { "pool": "$POOL_FIRST-$POOL_LAST" } ] } ] } }
END
    export KEA_PIDFILE_DIR=$LOGS KEA_LOCKFILE_DIR=$LOGS
    in_srv kea-dhcp4 -t "$file.json" >"$file.log" 2>&1 || wrong "kea-dhcp4 -t refuses the fragment ($name)"
    running "$file.log" DHCP4_STARTED kea-dhcp4 -c "$file.json"
    like_own "$name" kea
    end_other
}

# dnsmasq beside another DHCP server: the lines below PROXY. It has no answer for HTTP Boot nor for
# machines without option 93, and an answer without address has no options 209 and 210.
export_proxy() {
    local name
    for name in auto pxelinux; do
        sed -n '/^[^#]/p; s/^#\(dhcp-range\|pxe-service\)/\1/p' "$LOGS/dnsmasq-$name.conf" >"$LOGS/proxy-$name.conf"
        address_up
        running "$LOGS/proxy-$name.log" 'DHCP, proxy on subnet' \
            dnsmasq --keep-in-foreground --pid-file= --port=0 --conf-file="$LOGS/proxy-$name.conf" --log-facility=-
        offers "proxy-$name" proxy "${EXPORT_KINDS[@]}"
        end_other
        address_down
        sed -E '/^http:/d; s/ config=.*//; s/ server=- .*/ nothing/; s/^([^ ]*:-[^ ]*) .*/\1 nothing/' "$LOGS/own-$name" >"$LOGS/proxy-$name.expected"
        sed -E '/^http:/d; s/ config=.*//' "$LOGS/proxy-$name" | diff "$LOGS/proxy-$name.expected" - >"$LOGS/proxy-$name.diff" ||
            wrong "dnsmasq as proxy ($name) answers otherwise: $(grep -m 1 '^[<>]' "$LOGS/proxy-$name.diff")"
    done
    step "dnsmasq as proxy, port 4011 included"
}
