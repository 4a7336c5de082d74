"""The bench lab: two network namespaces joined by one veth pair, and the processes in them.

    lbb-PID-srv   srv0 192.168.77.1/16, and 192.168.77.2 for the peer
         |        veth
    lbb-PID-cli   cli0 192.168.77.9/16

Nothing leaves the namespaces. Everything started here is ended by its own process id, and the
namespaces are removed, however the run ends. Nothing waits by sleeping alone: each wait is
for a condition, with a deadline.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

LANBOOT, PEER, CLIENT = "192.168.77.1", "192.168.77.2", "192.168.77.9"
PREFIX = 16
SRV_IF, CLI_IF = "srv0", "cli0"
TICKS = os.sysconf("SC_CLK_TCK")
# A client that takes longer than this has hung.
CLIENT_SECONDS = 600


class Failure(Exception):
    """An error that ends the measurement; one sentence."""


class Server:
    """One server in the server namespace."""

    def __init__(self, name, process, log):
        self.name, self.process, self.log = name, process, log

    def family(self):
        """Returns its process and all descendants; nginx works in children."""
        found, look = [], [self.process.pid]
        while look:
            pid = look.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    look += [int(child) for child in children.read_text().split()]
                except OSError:
                    pass  # The thread has just ended.
        return found

    def cpu(self):
        """Returns seconds of processor time so far, user and system, including ended threads."""
        ticks = 0
        for pid in self.family():
            # The command name may contain spaces: count from after its bracket.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            # Its own, and that of ended children: nbd-server has one per client.
            ticks += sum(map(int, fields[11:15]))
        return ticks / TICKS

    def resident(self):
        """Returns its resident memory in bytes."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise Failure(f"{self.name} has ended")

    def check(self):
        """Fails with the end of its log if it has exited."""
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise Failure(f"{self.name} ended by itself: {' / '.join(tail)}")


class Lab:
    """The namespaces; a context manager that removes everything again."""

    def __init__(self, logs):
        self.logs = logs
        self.srv, self.cli = f"lbb-{os.getpid()}-srv", f"lbb-{os.getpid()}-cli"
        self.servers = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: exit(143))
        signal.signal(signal.SIGHUP, lambda *_: exit(129))
        self.logs.mkdir(parents=True, exist_ok=True)
        try:
            self._up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _up(self):
        for name in (self.srv, self.cli):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        ip("link", "add", SRV_IF, "netns", self.srv, "type", "veth", "peer", "name", CLI_IF, "netns", self.cli)
        for name, interface in ((self.srv, SRV_IF), (self.cli, CLI_IF)):
            ip("-n", name, "link", "set", interface, "up")
        # lanboot gives its interface 192.168.77.1 itself, with --address.
        ip("-n", self.srv, "addr", "add", f"{PEER}/{PREFIX}", "dev", SRV_IF)
        ip("-n", self.cli, "addr", "add", f"{CLIENT}/{PREFIX}", "dev", CLI_IF)
        # Both servers use Linux's default congestion control, whatever this host's setting: bbr's
        # timers would cost more than everything measured. BENCH_CONGESTION selects another one, or
        # `host` for each server's own choice on this host.
        congestion = os.environ.get("BENCH_CONGESTION", "cubic")
        if congestion != "host":
            route = ("route", "add", f"{CLIENT}/32", "dev", SRV_IF)
            ip("-n", self.srv, *route, "congctl", congestion)

    def __exit__(self, *_):
        for server in list(self.servers):
            self.stop(server)
        for name in (self.srv, self.cli):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)

    def start(self, name, command, ready, seconds=60):
        """Starts a server and waits until `ready()` is true."""
        log = self.logs / f"{name}.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.srv, *command],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )
        server = Server(name, process, log)
        self.servers.append(server)
        began = time.monotonic()
        while not ready():
            server.check()
            if time.monotonic() - began > seconds:
                raise Failure(f"{name} was not ready after {seconds} s; see {log}")
            time.sleep(0.001)
        server.started = time.monotonic() - began
        return server

    def stop(self, server, kill=False):
        """Stops one server; with SIGKILL if requested, or if it does not react."""
        self.servers.remove(server)
        family = server.family()
        if not kill:
            server.process.terminate()
            try:
                server.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
            # A daemon that outlived the process that started it.
            family = [pid for pid in family if Path(f"/proc/{pid}").exists()]
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass  # Ended with its parent.
        server.process.wait()

    def attempt(self, rows, side, work):
        """Returns the result of `work`; None if it failed and `side` is a peer: then `rows` say why, and
        its processes are stopped. A failure of lanboot is raised."""
        before = list(self.servers)
        try:
            return work()
        except (Failure, subprocess.TimeoutExpired) as failure:
            if side == 0:
                raise
            for server in [server for server in self.servers if server not in before]:
                self.stop(server, kill=True)
            why = " ".join(str(failure).split())[:120].replace("|", "/")
            print(f"    the peer failed, on without it: {why}", file=sys.stderr, flush=True)
            for row in rows:
                row.failed = why
            return None

    def client(self, *command, check=True):
        """Runs one client to its end and returns its output."""
        command = ["ip", "netns", "exec", self.cli, *map(str, command)]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=CLIENT_SECONDS, check=False, env={**os.environ, "RUST_BACKTRACE": "0"},
        )
        if check and done.returncode != 0:
            words = " ".join(command[4:])
            raise Failure(f"{words}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def sockets(self, kind):
        """Returns the rows of /proc/net/udp or tcp in the server namespace."""
        server = self.servers[-1].process.pid
        # Until `ip netns exec` has moved it, the process still sees the host's namespace.
        if os.stat(f"/proc/{server}/ns/net").st_ino != os.stat(f"/run/netns/{self.srv}").st_ino:
            return []
        return [line.split() for line in Path(f"/proc/{server}/net/{kind}").read_text().splitlines()[1:]]

    def listens(self, address, port, kind):
        """Returns whether the server started last has this port open."""
        own = socket.inet_aton(address)[::-1].hex().upper()
        wanted = (f"{own}:{port:04X}", f"00000000:{port:04X}")
        # Closed connections keep their port in the list; 0A is a listening socket.
        states = ("0A",) if kind == "tcp" else ("07",)
        try:
            return any(f[1] in wanted and f[3] in states for f in self.sockets(kind))
        except OSError:
            return False

    def queued(self, port):
        """Returns the bytes queued in the sockets of a UDP port in the server namespace."""
        waiting = (f[4].partition(":")[2] for f in self.sockets("udp") if f[1].endswith(f":{port:04X}"))
        return sum(int(bytes_, 16) for bytes_ in waiting)


def ip(*words):
    """Runs one iproute2 command."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failure(f"ip {' '.join(words)}: {done.stderr.strip()}")
