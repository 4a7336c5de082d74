"""How lanboot and the peers are started: each as its own documentation says to make it fast."""

from lab import LANBOOT, PEER, PREFIX, SRV_IF

# Machines that perfdhcp plays; also what dnsmasq allows without being told.
MACHINES = 1000
RANGE = ("192.168.100.1", "192.168.131.254")

NGINX = """\
daemon off;
user root;
worker_processes auto;
pid {folder}/nginx.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/nginx-temp;
    proxy_temp_path {folder}/nginx-temp;
    fastcgi_temp_path {folder}/nginx-temp;
    uwsgi_temp_path {folder}/nginx-temp;
    scgi_temp_path {folder}/nginx-temp;
    server {{ listen {address}:80; root {root}; }}
}}
"""


def lanboot(lab, binary, image, folder, dhcp=False):
    """lanboot, as an operator starts it."""
    state, ready = folder / "state", folder / "ready"
    ready.unlink(missing_ok=True)
    command = [
        binary, "serve", "--interface", SRV_IF, "--address", f"{LANBOOT}/{PREFIX}",
        "--state", state, "--ready-file", ready, "--log", "plain",
        "--dhcp", "server" if dhcp else "off",
    ]
    if dhcp:
        command += ["--range", "-".join(RANGE)]
    return lab.start("lanboot", [*command, image], ready.exists)


def nginx(lab, root, folder):
    """nginx with sendfile, a worker for each processor, and no access log."""
    conf = folder / "nginx.conf"
    conf.write_text(NGINX.format(folder=folder, root=root, address=PEER))
    return lab.start("nginx", ["nginx", "-c", conf], lambda: lab.listens(PEER, 80, "tcp"))


def dnsmasq_tftp(lab, root):
    """dnsmasq as a TFTP server, with room for more transfers than its usual 50."""
    command = [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port=0",
        "--user=root", "--log-facility=-", f"--listen-address={PEER}", "--bind-interfaces",
        "--enable-tftp", f"--tftp-root={root}", "--tftp-max=200",
    ]
    return lab.start("dnsmasq", command, lambda: lab.listens(PEER, 69, "udp"))


def dnsmasq_dhcp(lab, folder):
    """dnsmasq as a DHCP server. It pings no address: perfdhcp comes as a relay, and lanboot does
    not probe behind a relay either."""
    leases = folder / "dnsmasq.leases"
    leases.unlink(missing_ok=True)
    command = [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port=0",
        "--user=root", "--log-facility=-", f"--interface={SRV_IF}", "--bind-interfaces", "--no-ping",
        f"--dhcp-range={RANGE[0]},{RANGE[1]},12h", f"--dhcp-leasefile={leases}",
        f"--dhcp-lease-max={2 * MACHINES}",
    ]
    return lab.start("dnsmasq-dhcp", command, lambda: lab.listens(PEER, 67, "udp"))


def atftpd(lab, root):
    """atftpd, the TFTP server of Debian that speaks RFC 7440 windows."""
    command = [
        "atftpd", "--daemon", "--no-fork", "--user", "root", "--group", "root",
        "--logfile", "-", "--bind-address", PEER, "--port", "69", "--maxthread", "200", root,
    ]
    return lab.start("atftpd", command, lambda: lab.listens(PEER, 69, "udp"))
