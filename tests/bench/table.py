"""Samples of both sides, and the table made of them."""

from statistics import median

HEAD = ("what", "lanboot", "peer", "ratio", "goal", "")
DIGITS = {"MB/s": 0, "CPU-s/GiB": 3, "1/s": 0, "CPU-ms each": 3, "s": 3, "MiB": 1}


class Row:
    """One line of the table.

    `goal` is a bound on the ratio lanboot/peer, or on lanboot's own value where there is no
    peer: (">=", 1.5), ("<=", 0.5), or None for a line that only informs.
    """

    def __init__(self, what, unit, peer=None, goal=None):
        self.what, self.unit, self.peer, self.goal = what, unit, peer, goal
        self.ours, self.theirs = [], []
        # Reason there are no more samples of the peer.
        self.failed = None

    def ratio(self):
        """Median of ours over median of theirs."""
        if not self.ours or not self.theirs or not median(self.theirs):
            return None
        return median(self.ours) / median(self.theirs)

    def ratios(self):
        """The ratio of every round: shows how reliable a single round is."""
        return [ours / theirs for ours, theirs in zip(self.ours, self.theirs) if theirs]

    def verdict(self):
        """met, MISSED, or nothing where there is no goal."""
        value = self.ratio() if self.peer else (median(self.ours) if self.ours else None)
        if self.goal is None:
            return ""
        if value is None:
            return "not measured"
        sign, bound = self.goal
        return "met" if (value >= bound if sign == ">=" else value <= bound) else "MISSED"

    def cells(self):
        """Returns the cells of the table."""
        ratio, ratios = self.ratio(), self.ratios()
        shown = f"{ratio:.2f} ({min(ratios):.2f}–{max(ratios):.2f})" if ratio and ratios else ""
        goal = ""
        if self.goal:
            sign = {">=": "≥", "<=": "≤"}[self.goal[0]]
            goal = f"{sign} {self.goal[1]:g}" + ("×" if self.peer else f" {self.unit}")
        peer = f"{self.peer} {self.spread(self.theirs)}" if self.peer else ""
        if self.failed:
            peer += f", FAILED: {self.failed}"
        return (f"{self.what}, {self.unit}", self.spread(self.ours), peer, shown, goal, self.verdict())

    def spread(self, samples):
        """Median (min–max)."""
        if not samples:
            return "–"
        digits = DIGITS[self.unit]
        low, high = min(samples), max(samples)
        return f"{median(samples):.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def table(rows):
    """Markdown that also reads well in a terminal."""
    lines = [HEAD, *(row.cells() for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
        for line in lines
    )
