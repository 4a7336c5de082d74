# The root over HTTP, as archiso_pxe_http asks for it. There is no retry, resume or time limit.

HTTPSPACE=/run/archiso/httpspace

choose_http() {
    if [ -n "$ip" ] && [ -n "$archiso_http_srv" ]; then
        archiso_http_srv=$(expand "$archiso_http_srv")
        mount_handler=mount_http
        transport=http
    fi
}

mount_http() {
    say "http: mounting a tmpfs of ${archiso_http_spc:-75%}"
    mkdir -p "$HTTPSPACE"
    mount -t tmpfs -o "size=${archiso_http_spc:-75%},mode=0755" httpspace "$HTTPSPACE"
    if [ "$ERA" = 2013 ]; then
        fetch_2013
    else
        copytoram=y
        fetch_modern
    fi
    mkdir -p /run/archiso/bootmnt
    mount -o bind "$HTTPSPACE" /run/archiso/bootmnt
    mount_medium
}

# fetch NAME: one file below the base directory into httpspace; a failure ends the boot.
fetch() {
    say "http: ${archiso_http_srv}${archisobasedir}/$1"
    curl -L -f -o "$HTTPSPACE/$archisobasedir/$1" --create-dirs \
        "${archiso_http_srv}${archisobasedir}/$1" || stop "http: cannot fetch $1 (curl said $?)"
}

probe() {
    curl -L -f -o /dev/null -s -r 0-0 "${archiso_http_srv}${archisobasedir}/$1"
}

fetch_modern() {
    local file
    if probe "$arch/airootfs.sfs"; then
        file=airootfs.sfs
    elif probe "$arch/airootfs.erofs"; then
        file=airootfs.erofs
    else
        stop "http: neither airootfs.sfs nor airootfs.erofs at ${archiso_http_srv}${archisobasedir}/$arch/"
    fi
    fetch "$arch/$file"
    pause_as_slow_machines_do
    [ "$checksum" = y ] && fetch "$arch/airootfs.sha512"
    [ "$verify" = y ] && fetch "$arch/$file.sig"
    [ "$cms_verify" = y ] && fetch "$arch/$file.cms.sig"
    return 0
}

fetch_2013() {
    fetch aitab
    read_aitab fetch_row
    [ "$checksum" = y ] && fetch "checksum.$arch.md5"
    return 0
}

fetch_row() {
    # $1 image, $3 architecture, $5 file system
    if [ "$5" = none ]; then fetch "$3/$1.sfs"; else fetch "$3/$1.fs.sfs"; fi
}
