"""Deadlines of scripted clients: longer on a slow or loaded machine, like tests/boot/patience.sh."""

import os
import time

SLOWNESS = int(os.environ.get("SLOWNESS", "100"))
LONGEST_SECOND = 20
PROCESSORS = len(os.sched_getaffinity(0))


def stretch():
    """Returns how long a second of a deadline lasts at this moment."""
    with open("/proc/loadavg") as file:
        wanting = int(file.read().split()[3].split("/")[0]) - 1
    return min(SLOWNESS / 100 * max(1, wanting / PROCESSORS), LONGEST_SECOND)


def scaled(seconds):
    """Scales a socket's own timeout, doubled as a margin."""
    return seconds * stretch() * 2


class Deadline:
    """`while deadline.runs():`, around a wait of at most `STEP`."""

    STEP = 0.1

    def __init__(self, seconds):
        self.left, self.seen = seconds, time.monotonic()

    def runs(self):
        now = time.monotonic()
        self.left -= min(now - self.seen, 0.5) / stretch()
        self.seen = now
        return self.left > 0
