# shellcheck shell=bash
# Where Debian packages come from. Of this host's own configuration of apt only two things are used:
# which mirrors it names, and the proxy that leads there. They are read from its files as text, so
# that an entry apt itself would reject does not matter; apt is never run on the host's configuration.

# host_mirrors SUITE: prints the URIs of the mirrors of Debian that this host names, one a line;
# those of SUITE first. Those with a password stay out: they would end in logs.
host_mirrors() {
    local file
    {
        { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
            sed -nE 's/\[[^]]*\]//; s/^[[:space:]]*deb[[:space:]]+//p'
        for file in /etc/apt/sources.list.d/*.sources; do
            [[ ! -f $file ]] || one_line_sources "$file" || true
        done
    } | awk -v suite="$1" '
        $1 ~ /^cdrom:/ || $1 ~ /:\/\/[^\/]*@/ || $1 ~ /security/ || $1 !~ /^[a-z+]+:\// || !/ main( |$)/ {next}
        {first = $2 == suite ? 0 : 1; uri = $1; sub(/\/+$/, "", uri); print first, uri}' |
        sort -s -k 1,1 | cut -d ' ' -f 2 | awk '!seen[$0]++'
}

# one_line_sources FILE: prints entries of the deb822 form as "URI SUITE COMPONENT…".
one_line_sources() {
    awk -v RS= -F '\n' '{
        split("", field); name = ""
        for (line = 1; line <= NF; line++) {
            if ($line ~ /^#/) continue
            if ($line ~ /^[ \t]/) {field[name] = field[name] " " $line; continue}
            name = tolower($line); sub(/:.*/, "", name)
            value = $line; sub(/^[^:]*:/, "", value); field[name] = value
        }
        if (tolower(field["enabled"]) ~ /no|false/ || field["types"] !~ /deb( |$)/) next
        uris = split(field["uris"], uri, " "); suites = split(field["suites"], suite, " ")
        for (i = 1; i <= uris; i++) for (j = 1; j <= suites; j++) print uri[i], suite[j], field["components"]
    }' "$1"
}

# host_proxies: prints the lines of this host's configuration that name a proxy for apt. What the
# environment says (http_proxy) apt reads by itself.
host_proxies() {
    { cat /etc/apt/apt.conf /etc/apt/apt.conf.d/* 2>/dev/null || true; } |
        sed -nE 's/^[[:space:]]*(Acquire::(http|https|ftp)::Proxy(::[A-Za-z0-9.-]+)?[[:space:]]+"[^"@]*")[[:space:]]*;.*/\1;/Ip'
}
