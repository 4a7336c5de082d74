# shellcheck shell=bash
# A control setup: the image unpacked, dnsmasq for DHCP and TFTP, nginx for HTTP. What boots here
# but not from lanboot is lanboot's fault; what boots from neither is the test's. It supports only
# those of lanboot's flags that the cases use.

start_classic() {
    local image=$1 loader=ipxe menu=generated append='' tree=$LOGS/tree
    shift
    while (($#)); do
        case $1 in
        --loader) loader=$2 ;;
        --menu) menu=$2 ;;
        --append) append=$2 ;;
        --menu-timeout | --boot | --transport) ;;
        *) fail "the classic server knows no $1" ;;
        esac
        shift 2
    done
    need_tools dnsmasq=dnsmasq nginx=nginx-light xorriso=xorriso
    ip -n "$LAB-srv" address replace "$SERVER_ADDRESS/$SERVER_PREFIX" dev srv0
    ip -n "$LAB-srv" link set srv0 up
    if [[ ! -e $tree ]]; then
        xorriso -osirrox on -indev "$image" -extract / "$tree" >"$LOGS/extract.log" 2>&1 ||
            fail "xorriso cannot unpack $image"
        chmod -R u+w "$tree"
    fi
    classic_paths "$tree"
    classic_menus "$tree" "$append"
    classic_dhcp "$loader" "$menu"
    classic_http "$tree"
    ip netns exec "$LAB-srv" dnsmasq --keep-in-foreground --pid-file= --conf-file="$LOGS/dnsmasq.conf" --user=root >>"$SERVER_LOG" 2>&1 &
    SERVER_PID=$!
    if [[ ! -e $LOGS/nginx.pid ]]; then
        ip netns exec "$LAB-srv" nginx -p "$LOGS/" -c "$LOGS/nginx.conf" >>"$LOGS/nginx.log" 2>&1 &
    fi
    wait_line "$SERVER_LOG" 'DHCP, IP range' 10 "$SERVER_PID" >/dev/null || fail "dnsmasq did not start: $(tail -n 1 "$SERVER_LOG")"
}

# Paths on this generation of media.
classic_paths() {
    if [[ -e $1/arch/aitab ]]; then
        CLASSIC_LOADERS=arch/boot/syslinux CLASSIC_KERNEL=arch/boot/x86_64/vmlinuz
        CLASSIC_INITRD=arch/boot/x86_64/archiso.img CLASSIC_IP=static CLASSIC_CHOOSE=choose
    else
        CLASSIC_LOADERS=boot/syslinux CLASSIC_KERNEL=arch/boot/x86_64/vmlinuz-linux
        CLASSIC_INITRD=arch/boot/x86_64/initramfs-linux.img CLASSIC_IP=dhcp CLASSIC_CHOOSE=have64
    fi
}

# A menu with a default entry, for PXELINUX and for iPXE.
classic_menus() {
    local tree=$1 http=http://$SERVER_ADDRESS ip args
    args="archisobasedir=arch archiso_http_srv=$http/ checksum=y $2"
    [[ ! -e $tree/arch/x86_64/airootfs.sfs.cms.sig ]] || args="$args cms_verify=y"
    cat >"$tree/$CLASSIC_LOADERS/classic.cfg" <<END
DEFAULT $CLASSIC_CHOOSE
LABEL choose
COM32 ifcpu64.c32
APPEND have64 -- nohave64
LABEL have64
LINUX $http/$CLASSIC_KERNEL
INITRD $http/$CLASSIC_INITRD
APPEND $args
SYSAPPEND 3
LABEL nohave64
LINUX $http/${CLASSIC_KERNEL/x86_64/i686}
INITRD $http/${CLASSIC_INITRD/x86_64/i686}
APPEND $args
SYSAPPEND 3
END
    # The 2013 initramfs does not support ip=dhcp together with BOOTIF.
    ip=dhcp
    # shellcheck disable=SC2016  # iPXE's settings, not the shell's
    [[ $CLASSIC_IP == dhcp ]] || ip='${net0/ip}:${next-server}:${net0/gateway}:${net0/netmask}'
    cat >"$tree/classic.ipxe" <<END
#!ipxe
kernel $http/$CLASSIC_KERNEL initrd=${CLASSIC_INITRD##*/} $args ip=$ip BOOTIF=01-\${net0/mac:hexhyp}
initrd $http/$CLASSIC_INITRD
boot
END
}

classic_dhcp() { # LOADER MENU
    cat >"$LOGS/dnsmasq.conf" <<END
port=0
interface=srv0
bind-interfaces
dhcp-range=$POOL_FIRST,$POOL_LAST,12h
dhcp-leasefile=$LOGS/dnsmasq.leases
# Its ping before an offer takes 3 s, one at a time: of eight machines at once, three give up.
no-ping
dhcp-option=3
dhcp-option=6
log-dhcp
log-facility=-
enable-tftp
tftp-root=$LOGS/tree
END
    if [[ $1 == ipxe && $2 == generated ]]; then
        echo "dhcp-boot=http://$SERVER_ADDRESS/classic.ipxe,,$SERVER_ADDRESS" >>"$LOGS/dnsmasq.conf"
        return
    fi
    echo "dhcp-boot=/$CLASSIC_LOADERS/lpxelinux.0,,$SERVER_ADDRESS" >>"$LOGS/dnsmasq.conf"
    if [[ $2 == generated ]]; then
        echo "dhcp-option-force=209,classic.cfg" >>"$LOGS/dnsmasq.conf"
    elif [[ $CLASSIC_LOADERS == boot/syslinux ]]; then
        echo "dhcp-option-force=209,syslinux.cfg" >>"$LOGS/dnsmasq.conf"
    else
        printf 'dhcp-option-force=209,boot/syslinux/archiso.cfg\ndhcp-option-force=210,/arch/\n' >>"$LOGS/dnsmasq.conf"
    fi
}

classic_http() {
    cat >"$LOGS/nginx.conf" <<END
daemon off;
user root;
worker_processes 1;
pid $LOGS/nginx.pid;
error_log $LOGS/nginx-error.log;
events { worker_connections 256; }
http {
    access_log $LOGS/http.log;
    client_body_temp_path $LOGS;
    proxy_temp_path $LOGS;
    fastcgi_temp_path $LOGS;
    uwsgi_temp_path $LOGS;
    scgi_temp_path $LOGS;
    sendfile on;
    server { listen $SERVER_ADDRESS:80; root $1; }
}
END
}
