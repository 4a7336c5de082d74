#!/usr/bin/env python3
"""Writes a disk image (UEFI's GPT) with one partition: disk.py FILE-SYSTEM IMAGE.

The partition has the type of a root file system for x86-64, which systemd-gpt-auto-generator looks for
(UAPI.2). systemd-repart makes the same, but not under every kernel that a build runs on.
"""
import struct
import sys
import uuid
import zlib

SECTOR = 512
FIRST = 2048
TYPE = uuid.UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709").bytes_le
DISK = uuid.UUID("6c616e62-6f6f-4400-8000-000000000001").bytes_le
PARTITION = uuid.UUID("6c616e62-6f6f-4400-8000-000000000002").bytes_le


def header(at, other, entries_at, last, table):
    def packed(crc):
        return struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, crc, 0, at, other, 34,
                           last, DISK, entries_at, 128, 128, zlib.crc32(table))
    return packed(zlib.crc32(packed(0))).ljust(SECTOR, b"\0")


def main(source, target):
    with open(source, "rb") as file:
        data = file.read()
    sectors = (len(data) + SECTOR - 1) // SECTOR
    end = FIRST + sectors + 33
    name = "root-x86-64".encode("utf-16-le")
    table = struct.pack("<16s16sQQQ72s", TYPE, PARTITION, FIRST, FIRST + sectors - 1, 0, name)
    table = table.ljust(128 * 128, b"\0")
    protective = struct.pack("<BBBBBBBBII", 0, 0, 2, 0, 0xEE, 255, 255, 255, 1, end - 1)
    with open(target, "wb") as file:
        file.write(b"\0" * 446 + protective + b"\0" * 48 + b"\x55\xaa")
        file.write(header(1, end - 1, 2, end - 34, table) + table)
        file.seek(FIRST * SECTOR)
        file.write(data.ljust(sectors * SECTOR, b"\0"))
        file.write(table + header(end - 1, 1, end - 33, end - 34, table))


main(*sys.argv[1:])
