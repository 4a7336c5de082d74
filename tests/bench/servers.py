"""Starts lanboot and the peers, each tuned according to its documentation."""

from lab import LANBOOT, PEER, PREFIX, SRV_IF

# Machines simulated by perfdhcp; also dnsmasq's default limit.
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
    """dnsmasq as a TFTP server, with a higher limit of transfers than its default 50."""
    command = [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--pid-file=", "--port=0",
        "--user=root", "--log-facility=-", f"--listen-address={PEER}", "--bind-interfaces",
        "--enable-tftp", f"--tftp-root={root}", "--tftp-max=200",
    ]
    return lab.start("dnsmasq", command, lambda: lab.listens(PEER, 69, "udp"))


def dnsmasq_dhcp(lab, folder):
    """dnsmasq as a DHCP server. Without pings: perfdhcp acts as a relay, and lanboot does
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
    """atftpd, Debian's TFTP server with RFC 7440 windows."""
    command = [
        "atftpd", "--daemon", "--no-fork", "--user", "root", "--group", "root",
        "--logfile", "-", "--bind-address", PEER, "--port", "69", "--maxthread", "200", root,
    ]
    return lab.start("atftpd", command, lambda: lab.listens(PEER, 69, "udp"))


def nbdkit(lab, image):
    """nbdkit with its file plugin and its default number of threads."""
    command = ["nbdkit", "--foreground", "--readonly", "-i", PEER, "-p", "10809", "file", image]
    return lab.start("nbdkit", command, lambda: lab.listens(PEER, 10809, "tcp"))


NBD_SERVER = """\
[generic]
    listenaddr = {address}
    port = 10809
[bench]
    exportname = {image}
    readonly = true
"""

# nbd-server serves more than one client only as a daemon. As a subreaper, this remains its
# parent, so that its processor time is found below it.
REAPER = """\
import ctypes, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
subprocess.run(sys.argv[1:], check=True)
time.sleep(10**6)
"""


def nbd_server(lab, image, folder):
    """nbd-server, the reference server, as a daemon."""
    conf = folder / "nbd-server.conf"
    conf.write_text(NBD_SERVER.format(address=PEER, image=image))
    command = ["python3", "-c", REAPER, "nbd-server", "-C", conf, "-p", folder / "nbd-server.pid"]
    return lab.start("nbd-server", command, lambda: lab.listens(PEER, 10809, "tcp"))


GANESHA = """\
NFS_KRB5 {{ Active_krb5 = false; }}
NFS_CORE_PARAM {{
    Protocols = 3; NFS_Port = 2049; MNT_Port = 20048; Bind_addr = {address};
    Enable_NLM = false; Enable_RQUOTA = false;
}}
EXPORT {{
    Export_Id = 1; Path = {root}; Pseudo = {root}; Access_Type = RO; Squash = No_Root_Squash;
    SecType = sys, none; Transports = TCP, UDP; Protocols = 3; FSAL {{ Name = VFS; }}
}}
"""

# Both use global paths, so they get their own /run and /var/lib/nfs.
GANESHA_START = """\
mount --make-rprivate /
mount -t tmpfs run /run && mkdir -p /run/ganesha /run/rpcbind
mkdir -p /var/lib/nfs && mount -t tmpfs state /var/lib/nfs && mkdir -p /var/lib/nfs/ganesha
rpcbind -w -f &
until rpcinfo -p 127.0.0.1 >/dev/null 2>&1; do :; done
exec ganesha.nfsd -F -L /dev/stdout -f "$1" -p /run/ganesha.pid -N EVENT
"""


def ganesha(lab, root, folder):
    """nfs-ganesha over the files of a folder, NFS version 3, with the port mapper it needs."""
    conf = folder / "ganesha.conf"
    conf.write_text(GANESHA.format(address=PEER, root=root))
    command = ["unshare", "--mount", "bash", "-c", GANESHA_START, "ganesha", conf]

    def is_ready():
        return "NFS SERVER INITIALIZED" in (lab.logs / "nfs-ganesha.log").read_text(errors="replace")

    return lab.start("nfs-ganesha", command, is_ready, 120)
