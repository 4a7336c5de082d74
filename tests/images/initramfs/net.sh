# The network as archiso_pxe_common sets it up: `ip=`, `BOOTIF=`, klibc's ipconfig.

start_network() {
    [ -n "$ip" ] || return 0
    find_boot_interface
    if [ -n "$BOOTIF" ]; then
        if [ "$ip" = dhcp ] && [ "$ERA" != 2013 ]; then
            ip=":::::$bootif_dev:dhcp"
        else
            # The 2013 hook knows no special case: `ip=dhcp` with BOOTIF becomes a malformed
            # `dhcp::eth0` there.
            ip="$ip::$bootif_dev"
        fi
    fi
    wait_for_links
    say "network: ipconfig ip=$ip"
    if [ "$ERA" = 2013 ]; then
        ipconfig "ip=$ip"
    else
        ipconfig -t 60 "ip=$ip" || stop "network: ipconfig failed"
    fi
    read_lease
}

# Not archiso's doing: ipconfig sends its first DHCPDISCOVER at once, into a card whose link is
# still coming up, and the second 10 s later. Nobody learns anything from waiting those.
wait_for_links() {
    local interface tries=0
    for interface in /sys/class/net/*; do
        [ -e "$interface/device" ] || continue
        ip link set "${interface##*/}" up
        while [ "$(cat "$interface/operstate")" != up ] && [ "$tries" -lt 50 ]; do
            usleep 100000
            tries=$((tries + 1))
        done
    done
}

# `01-` is stripped and dashes become colons; the comparison is case-sensitive, as in the hook.
# No match leaves the device empty, which means every interface.
find_boot_interface() {
    local address
    bootif_mac=$(echo "${BOOTIF#01-}" | tr - :)
    bootif_dev=
    [ -n "$BOOTIF" ] || return 0
    for address in /sys/class/net/*/address; do
        if [ "$(cat "$address")" = "$bootif_mac" ]; then
            bootif_dev=${address#/sys/class/net/}
            bootif_dev=${bootif_dev%/address}
        fi
    done
}

# Debian's ipconfig writes to /run, Arch's to /tmp.
read_lease() {
    local conf
    for conf in /tmp/net-*.conf /run/net-*.conf; do
        [ -e "$conf" ] || continue
        . "$conf"
    done
    pxeserver=$ROOTSERVER
    export pxeserver
    : >/etc/resolv.conf
    if [ -n "$IPV4DNS0" ] && [ "$IPV4DNS0" != 0.0.0.0 ]; then
        echo "nameserver $IPV4DNS0" >/etc/resolv.conf
    fi
    say "network: address ${IPV4ADDR:-none}, server ${pxeserver:-none}"
}

# expand TEXT: `${pxeserver}` inside an argument, by the shell, exactly as the hooks do it.
expand() { eval echo "$1"; }

# A root in memory needs no network any more: the live system asks again for itself.
leave_network() {
    local interface
    [ -n "$ip" ] || return 0
    if [ "$copytoram" = y ]; then
        for interface in /sys/class/net/*; do
            interface=${interface##*/}
            [ "$interface" = lo ] && continue
            ip addr flush dev "$interface"
            ip link set "$interface" down
        done
    elif [ "$copy_resolvconf" != n ]; then
        cp /etc/resolv.conf "$ROOT/etc/resolv.conf"
    fi
}
