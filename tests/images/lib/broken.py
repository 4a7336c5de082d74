#!/usr/bin/env python3
"""Breaks a sound ISO 9660 image: broken.py KIND IN OUT.

root     cuts it off inside the root directory
extents  cuts it off inside the file data: directories whole, the last extents past the end
loop     points a directory record's extent at the root directory: a child that is its own ancestor
"""

import struct
import sys

SECTOR = 2048


def record_at(image, offset):
    """A directory record's length, extent (sector, bytes), flags and identifier."""
    length = image[offset]
    sector, size = struct.unpack_from("<I", image, offset + 2)[0], struct.unpack_from("<I", image, offset + 10)[0]
    name_length = image[offset + 32]
    return length, sector, size, image[offset + 25], bytes(image[offset + 33 : offset + 33 + name_length])


def records(image, sector, size):
    """Every record of a directory, with its offset."""
    offset, end = sector * SECTOR, sector * SECTOR + size
    while offset < end:
        if image[offset] == 0:
            offset = (offset // SECTOR + 1) * SECTOR
            continue
        yield offset, record_at(image, offset)
        offset += image[offset]


def root_directory(image):
    _, sector, size, _, _ = record_at(image, 16 * SECTOR + 156)
    return sector, size


def files(image, sector, size):
    for _, (_, child, length, flags, name) in records(image, sector, size):
        if name in (b"\0", b"\1"):
            continue
        if flags & 2:
            yield from files(image, child, length)
        else:
            yield child, length


def cut_root(image):
    sector, size = root_directory(image)
    assert size > SECTOR, "the root directory must be longer than one sector"
    return image[: sector * SECTOR + SECTOR + 700]


def cut_extents(image):
    # The end of the largest file's first half: what lies behind it is lost as well.
    child, length = max(files(image, *root_directory(image)), key=lambda file: (file[1], file[0]))
    return image[: child * SECTOR + length // 2]


def make_loop(image):
    root = root_directory(image)
    folder = root
    for name in (b"ONE", b"TWO"):
        folder = next(r[1:3] for _, r in records(image, *folder) if r[4] == name)
    offset = next(o for o, r in records(image, *folder) if r[4] == b"THREE")
    sector, size = root
    struct.pack_into("<I", image, offset + 2, sector)
    struct.pack_into(">I", image, offset + 6, sector)
    struct.pack_into("<I", image, offset + 10, size)
    struct.pack_into(">I", image, offset + 14, size)
    return image


def main(kind, source, target):
    with open(source, "rb") as file:
        image = bytearray(file.read())
    broken = {"root": cut_root, "extents": cut_extents, "loop": make_loop}[kind](image)
    with open(target, "wb") as file:
        file.write(broken)


main(*sys.argv[1:])
