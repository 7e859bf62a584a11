"""What was measured, beside what was promised, and how it grows with the library. Pure."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

_LINEAR_TOLERANCE = 1.15  # the exponent that still counts as linear: machines are noisy
_FLAT_TOLERANCE = 1.5  # from one size to the next


class Growth(enum.Enum):
    """How a figure may follow the number of photos."""

    FREE = "free"  # nobody waits for it
    LINEAR = "linear"  # nothing that a user waits for grows faster
    FLAT = "flat"  # the cost of one edit does not grow at all


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure of one library.

    `must` is what DESIGN section 9 promises: at most so much, or at least where `at_least`. What
    is below `noise` is too small to say how it grows.
    """

    name: str
    value: float
    unit: str = ""
    must: float | None = None
    at_least: bool = False
    growth: Growth = Growth.FREE
    noise: float = 0.0
    note: str = ""

    @property
    def is_kept(self) -> bool:
        if self.must is None:
            return True
        return self.value >= self.must if self.at_least else self.value <= self.must


Findings = Mapping[int, Sequence[Finding]]
"""By the number of photos of the library."""


def percentiles(name: str, seconds: Sequence[float], **how: Any) -> list[Finding]:
    """Return the median and the 99th percentile of some times, in milliseconds.

    `how` is said of both, but for `must` and `note`, which are of the 99th.
    """
    ordered = sorted(seconds)
    at = {50: len(ordered) // 2, 99: min(len(ordered) - 1, math.ceil(len(ordered) * 0.99) - 1)}
    only_99 = {name: how.pop(name) for name in ("must", "note") if name in how}
    noise = how.pop("noise", 1.0)
    return [
        Finding(
            f"{name}, p{part}",
            ordered[place] * 1000,
            "ms",
            noise=noise,
            **(how | only_99 if part == 99 else how),
        )
        for part, place in at.items()
    ]


def exponent(small: tuple[int, float], large: tuple[int, float]) -> float:
    """Return the power of the number of photos by which a figure grew; 0.0 is not at all."""
    (few, before), (many, after) = small, large
    if before <= 0 or after <= 0 or few == many:
        return 0.0
    return math.log(after / before) / math.log(many / few)


def complaints(found: Findings) -> list[str]:
    """Say what is not as promised: budgets that are missed, and what grows too fast."""
    said = [
        f"{finding.name} at {photos:,} photos: {shown(finding)}, must be "
        f"{'at least' if finding.at_least else 'at most'} {number(finding.must)} {finding.unit}"
        for photos, some in sorted(found.items())
        for finding in some
        if not finding.is_kept and finding.must is not None
    ]
    for name, row in _rows(found).items():
        for (few, small), (many, large) in pairwise(sorted(row.items())):
            if is_too_fast(few, small, many, large):
                times = large.value / small.value
                said.append(
                    f"{name} grows x{times:.1f} from {few:,} to {many:,} photos"
                    f" ({'must not grow' if large.growth is Growth.FLAT else 'faster than linear'})"
                )
    return said


def is_too_fast(few: int, small: Finding, many: int, large: Finding) -> bool:
    """Whether a figure grew faster than it may between two sizes."""
    if large.value <= large.noise or small.value <= 0:
        return False
    before = max(small.value, small.noise)
    if large.growth is Growth.LINEAR:
        return exponent((few, before), (many, large.value)) > _LINEAR_TOLERANCE
    return large.growth is Growth.FLAT and large.value > _FLAT_TOLERANCE * before


def table(found: Findings) -> str:
    """Return a text table: a line for each figure, a column for each size, growth and promise."""
    sizes = sorted(found)
    head = ["", *(f"{size:,}" for size in sizes)]
    head += [f"x{many / few:.3g}" for few, many in pairwise(sizes)]
    head += ["grows by", "must", ""]
    lines = [head]
    for name, row in _rows(found).items():
        cells = [name, *(shown(row[size]) if size in row else "" for size in sizes)]
        for few, many in pairwise(sizes):
            has_both = few in row and many in row and row[few].value > 0
            cells.append(f"x{row[many].value / row[few].value:.2f}" if has_both else "")
        last = row[max(row)]
        lines.append([*cells, _power(row), promise(last), verdict(last)])
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 or column >= len(head) - 1 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def plain(found: Findings) -> list[dict[str, Any]]:
    """Return all findings as JSON has them."""
    return [
        {"photos": photos, **asdict(finding), "growth": finding.growth.value}
        for photos, some in sorted(found.items())
        for finding in some
    ]


def shown(finding: Finding) -> str:
    return f"{number(finding.value)} {finding.unit}".strip()


def number(value: float | None) -> str:
    """Write a figure with three digits that count."""
    if value is None:
        return ""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.{max(0, 2 - math.floor(math.log10(abs(value))))}f}"


def _rows(found: Findings) -> dict[str, dict[int, Finding]]:
    rows: dict[str, dict[int, Finding]] = {}
    for photos, some in found.items():
        for finding in some:
            rows.setdefault(finding.name, {})[photos] = finding
    return rows


def _power(row: Mapping[int, Finding]) -> str:
    few, many = min(row), max(row)
    if few == many:
        return ""
    return f"n^{exponent((few, row[few].value), (many, row[many].value)):.2f}"


def promise(finding: Finding) -> str:
    """Write what a figure must be; nothing if it may be anything."""
    if finding.must is None:
        return ""
    return f"{'>=' if finding.at_least else '<='} {number(finding.must)} {finding.unit}".rstrip()


def verdict(finding: Finding) -> str:
    """Write whether it is as promised, and the note."""
    notes: Iterable[str] = (finding.note,) if finding.note else ()
    if finding.must is None:
        return " ".join(notes)
    ratio = finding.value / finding.must
    return " ".join((f"{'pass' if finding.is_kept else 'MISS'} ({ratio:.2f} of it)", *notes))
