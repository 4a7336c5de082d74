"""Load of machines that stream their root: NBD against nbdkit and nbd-server, NFS against
nfs-ganesha. The clients are independent: nbdcopy, fio's nbd engine, libnfs."""

import json
import time

import servers
from lab import LANBOOT, PEER, Failure
from table import Row

MANY = 50


class Size:
    """Duration of each measurement."""

    def __init__(self, quick):
        self.seconds = 1 if quick else 3
        self.copies = 1 if quick else 3
        # MiB read by each of many clients.
        self.each = 32 if quick else 128


# --- NBD -----------------------------------------------------------------------------------------


def nbd_rows(peer):
    """The last two pairs are not for nbd-server: Debian's 3.24 stops answering fifty clients of fio."""
    def pair(what, unit):
        return [Row(what, unit, peer, (">=", 1)), Row(what, "CPU-s/GiB", peer, ("<=", 1))]

    rows = [
        *pair("NBD, 1 client copies 1.4 GiB", "MB/s"),
        *pair("NBD, 1 client, 4 KiB anywhere, 64 at once", "1/s"),
        *pair(f"NBD, {MANY} clients in order", "MB/s"),
        *pair(f"NBD, {MANY} clients, 4 KiB anywhere, 64 at once", "1/s"),
    ]
    return rows[:-4] if peer == "nbd-server" else rows


def measure_nbd(bench, lab, quick):
    """The same image from all three, one after the other in every round."""
    image, size = bench.WORK / "bench.iso", Size(quick)
    names = ("nbdkit", "nbd-server")
    rows = [nbd_rows(name) for name in names]
    sides = [
        (lambda: servers.lanboot(lab, bench.BINARY, image, bench.WORK), LANBOOT),
        (lambda: servers.nbdkit(lab, image), PEER),
        (lambda: servers.nbd_server(lab, image, bench.WORK), PEER),
    ]
    bench.warm(image)

    def measure(turn, start, address):
        server = start()
        uri = f"nbd://{address}/bench"
        if turn == 0:
            verify_nbd(lab, uri, image)
        values = [
            *nbd_copy(lab, server, uri, image, size),
            *nbd_fio(lab, server, uri, "randread", 1, size),
        ]
        if server.name != "nbd-server":
            values += nbd_fio(lab, server, uri, "read", MANY, size)
            values += nbd_fio(lab, server, uri, "randread", MANY, size)
        lab.stop(server, kill=True)
        return server, values

    for turn in bench.turns(bench.rounds):
        for side, what in bench.ordered(sides, turn):
            done = lab.attempt(rows[side - 1], side, lambda: measure(turn, *what))
            if not done:
                sides[side] = None
                continue
            server, values = done
            if side == 0:
                for peer_rows in rows:
                    bench.record(peer_rows, 0, values[:len(peer_rows)])
            else:
                bench.record(rows[side - 1], 1, values)
            shown = ", ".join(f"{value:.0f}" for value in values[::2])
            bench.say(f"nbd round {turn + 1}: {server.name} copy MB/s, 4 KiB/s; {MANY} clients MB/s, 4 KiB/s: {shown}")
    return [row for peer_rows in rows for row in peer_rows]


def verify_nbd(lab, uri, image):
    """Compares every byte, with another program than the measured one."""
    lab.client("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, image)


def nbd_copy(lab, server, uri, image, size):
    before, began = server.cpu(), time.monotonic()
    for _ in range(size.copies):
        lab.client("nbdcopy", uri, "null:")
    seconds, copied = time.monotonic() - began, size.copies * image.stat().st_size
    server.check()
    return copied / seconds / 1e6, (server.cpu() - before) / (copied / 2**30)


def nbd_fio(lab, server, uri, kind, clients, size):
    """MB/s of reads in order, or reads per second anywhere; and CPU seconds per GiB."""
    in_order = kind == "read"
    command = ["fio", "--name=bench", "--ioengine=nbd", f"--uri={uri}", f"--rw={kind}", "--thread",
               "--group_reporting", "--output-format=json", f"--numjobs={clients}", "--size=1g"]
    if in_order:
        command += ["--bs=256k", "--iodepth=8", f"--io_size={size.each}m"]
    else:
        command += ["--bs=4k", "--iodepth=64", "--time_based", f"--runtime={size.seconds}"]
    before = server.cpu()
    printed = lab.client(*command)
    cpu = server.cpu() - before
    server.check()
    job = json.loads(printed[printed.index("{"):])["jobs"][0]
    if job["error"]:
        raise Failure(f"fio says error {job['error']} of {server.name}")
    read = job["read"]
    rate = read["bw_bytes"] / 1e6 if in_order else read["iops"]
    return rate, cpu / (read["io_bytes"] / 2**30)


# --- NFS -----------------------------------------------------------------------------------------


def measure_nfs(bench, lab, quick):
    """READs of 1 MiB in order, GETATTRs and LOOKUPs, with one client and with many."""
    load, file, size = bench.WORK / "nfs-load", "big.bin", Size(quick)
    peer = "nfs-ganesha"
    rows = []
    for what in ("1 client", f"{MANY} clients"):
        rows += [
            Row(f"NFS READ in order, {what}", "MB/s", peer, (">=", 1.5)),
            Row(f"NFS READ in order, {what}", "CPU-s/GiB", peer, ("<=", 1)),
            Row(f"NFS GETATTR, {what}", "1/s", peer, (">=", 1.5)),
            Row(f"NFS LOOKUP, {what}", "1/s", peer, (">=", 1.5)),
        ]
    folder, image = bench.WORK / "files", bench.WORK / "bench.iso"
    sides = [
        (lambda: servers.lanboot(lab, bench.BINARY, image, bench.WORK), LANBOOT, "/iso/bench"),
        (lambda: servers.ganesha(lab, folder, bench.WORK), PEER, folder),
    ]
    bench.warm(image, folder / file)
    want = lab.client(load, "hash", folder / file).split()[-1]

    def measure(turn, start, address, export):
        server = start()
        where = (load, address, export, file)
        if turn == 0:
            verify_nfs(lab, where, want, server)
        values = []
        for clients in (1, MANY):
            values += nfs_read(bench, lab, server, where, clients, size)
            for what in ("getattr", "lookup"):
                printed = lab.client(*where, what, clients, 32, size.seconds)
                values.append(bench.number(printed, r"calls (\d+)") / bench.number(printed, r"seconds ([\d.]+)"))
        server.check()
        lab.stop(server, kill=True)
        return server, values

    for turn in bench.turns(bench.rounds):
        for side, what in bench.ordered(sides, turn):
            done = lab.attempt(rows, side, lambda: measure(turn, *what))
            if not done:
                sides[side] = None
                continue
            server, values = done
            bench.record(rows, side, values)
            bench.say(f"nfs round {turn + 1}: {server.name} READ {values[0]:.0f} MB/s, GETATTR {values[2]:.0f}/s;"
                      f" {MANY} clients READ {values[4]:.0f} MB/s, GETATTR {values[6]:.0f}/s")
    return rows


def verify_nfs(lab, where, want, server):
    got = lab.client(*where, "verify", 4, 1).split()[-1]
    if got != want:
        raise Failure(f"{server.name} sent other bytes over NFS than the file has")


def nfs_read(bench, lab, server, where, clients, size):
    before = server.cpu()
    printed = lab.client(*where, "read", clients, 8 if clients == 1 else 4, size.seconds)
    cpu = server.cpu() - before
    read = bench.number(printed, r"bytes (\d+)")
    return read / bench.number(printed, r"seconds ([\d.]+)") / 1e6, cpu / (read / 2**30)
