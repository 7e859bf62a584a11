"""What the transfer benchmark found: runs, the ratios between those of one run, the budgets. Pure.

Absolute figures move with the machine; what is promised (DESIGN section 9) are ratios of one run,
with the files on tmpfs, and shares. Where the sets were made smaller nothing is promised: a small
set shows how things start, and not how they go.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.findings import Finding, number, promise, shown, verdict
from benchmarks.holders import Loss
from benchmarks.meter import Taken
from benchmarks.samples import Sample
from simulations.rooms import Link

OURS, OURS_WHOLE = "photonic", "photonic-whole"
LIMIT, RSYNC, SYNCTHING = "limit", "rsync", "syncthing"
MEMORY_MB_MAX = 300.0
RETAGGED_SHARE_MAX = 0.03
FAR_SHARE_MIN = 0.7
FAR, LARGE, SMALL, HUGE, RETAGGED = "far", "large", "small", "huge", "retagged"
BOTH_HOLDERS_MIN = 0.9  # of what the two may give
FLOWS_S_MAX = 10.0
PROMISED_ON = "tmpfs"
_RATIOS = {
    (LARGE, LIMIT): 0.8,
    (LARGE, RSYNC): 1.0,
    (LARGE, SYNCTHING): 1.5,
    (SMALL, LIMIT): 0.6,
    (SMALL, SYNCTHING): 6.0,
}
_AIMS = {(SMALL, RSYNC): "aim: 1"}


@dataclass(frozen=True, slots=True)
class Run:
    """One contender on one set in one place; `why_not` says why there is no figure."""

    where: str  # a file system's type, or a link's name
    sample: Sample
    size_bytes: int  # of the files as they were made
    who: str
    taken: Taken | None = None
    why_not: str = ""
    is_failure: bool = False

    @property
    def mb_s(self) -> float | None:
        return self._per_s(self.size_bytes / 1e6)

    @property
    def files_s(self) -> float | None:
        return self._per_s(self.sample.count)

    def _per_s(self, amount: float) -> float | None:
        return amount / self.taken.seconds if self.taken and self.taken.seconds else None

    def cpu_s_per_gb(self, end: str) -> float | None:
        if self.taken is None or end not in self.taken.cpu_s:
            return None
        return self.taken.cpu_s[end] / (self.size_bytes / 1e9)

    @property
    def wire_share(self) -> float | None:
        """What went over the wire, both ways, as a share of the files' size."""
        if self.taken is None or self.taken.wire_bytes is None:
            return None
        return self.taken.wire_bytes / self.size_bytes

    def plain(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self) | {"mb_s": self.mb_s, "files_s": self.files_s}


_HEAD = (
    "where", "set", "who", "s", "MB/s", "files/s", "CPU s/GB giver", "taker",
    "peak MB giver", "taker", "wire/size", "flush s", "",
)  # fmt: skip


def table(runs: Sequence[Run]) -> str:
    """Return a text table with a line for each run."""
    lines = [_HEAD, *map(_cells, runs)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEAD))]
    words = {0, 1, 2, len(_HEAD) - 1}
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in words else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _cells(run: Run) -> tuple[str, ...]:
    taken = run.taken
    if taken is None:
        word = "FAILED" if run.is_failure else "left out"
        return (run.where, run.sample.name, run.who, *[""] * 9, f"{word}: {run.why_not}")
    return (
        run.where,
        run.sample.name,
        run.who,
        number(taken.seconds),
        number(run.mb_s),
        number(run.files_s),
        *(number(run.cpu_s_per_gb(end)) for end in ("giver", "taker")),
        *(number(taken.peak_mb.get(end)) for end in ("giver", "taker")),
        number(run.wire_share),
        number(taken.flush_s),
        taken.note,
    )


def middle(runs: Iterable[Run]) -> list[Run]:
    """Return one run of each contender, set and place: of several rounds the middle one."""
    rounds: dict[tuple[str, str, str], list[Run]] = {}
    for run in runs:
        rounds.setdefault((run.where, run.sample.name, run.who), []).append(run)
    return [_middle(some) for some in rounds.values()]


def _middle(rounds: Sequence[Run]) -> Run:
    failures = [run for run in rounds if run.is_failure]
    if failures:
        return failures[0]  # once is enough
    timed = sorted(
        (run for run in rounds if run.taken), key=lambda run: run.taken.seconds if run.taken else 0
    )
    return timed[(len(timed) - 1) // 2] if timed else rounds[0]


def judged(runs: Sequence[Run], links: Sequence[Link], *, is_scaled: bool) -> list[Finding]:
    """Return the ratios and shares of one benchmark, with what is promised of them."""
    of = {(run.where, run.sample.name, run.who): run for run in runs}
    names = {link.name: link for link in links}
    found = list[Finding]()
    for run in runs:
        if run.who in (OURS, OURS_WHOLE):
            if run.who == OURS and run.where not in names:
                found += _ratios(run, of)
            found += _memory(run) if not run.sample.is_retagged else ()  # it imports, too
            if run.sample.is_retagged:
                found += _moved(run)
    for link in links:
        found += _shares(link, runs)
    return [_free(finding) if is_scaled else finding for finding in found]


def _free(finding: Finding) -> Finding:
    return Finding(finding.name, finding.value, finding.unit, note=finding.note)


def _ratios(ours: Run, of: dict[tuple[str, str, str], Run]) -> Iterator[Finding]:
    for (where, sample, who), other in of.items():
        is_rival = (where, sample) == (ours.where, ours.sample.name) and who != OURS
        if is_rival and ours.mb_s is not None and other.mb_s is not None:
            must = _RATIOS.get((sample, who)) if where == PROMISED_ON else None
            name = f"{where}, {sample}: {OURS} / {who}"
            note = _AIMS.get((sample, who), "") if where == PROMISED_ON else ""
            yield Finding(name, ours.mb_s / other.mb_s, must=must, at_least=True, note=note)


def _memory(run: Run) -> Iterator[Finding]:
    for end, peak_mb in run.taken.peak_mb.items() if run.taken else ():
        name = f"{run.where}, {run.sample.name}: {run.who}, peak of the {end}"
        yield Finding(name, peak_mb, "MB", must=MEMORY_MB_MAX)


def _moved(run: Run) -> Iterator[Finding]:
    if run.wire_share is not None and run.taken is not None:
        own = f"its own count: {run.taken.own_bytes:,} bytes" if run.taken.own_bytes else ""
        yield Finding(
            f"{run.where}, {run.sample.name}: moved of the size of the files",
            run.wire_share, must=RETAGGED_SHARE_MAX, note=own,
        )  # fmt: skip


def _shares(link: Link, runs: Sequence[Run]) -> Iterator[Finding]:
    """Yield what each contender got of what the link carried while it was up.

    Of the files' bytes, so headers and what is sent twice count against it.
    """
    for run in runs:
        if run.where == link.name and run.taken is not None:
            is_promised = (link.name, run.who) == (FAR, OURS)
            yield Finding(
                f"{link.name} ({link.words()}): {run.who}, share of the rate",
                run.size_bytes / 1e6 / (link.mb_s * link.up_s(run.taken.seconds)),
                must=FAR_SHARE_MIN if is_promised else None,
                at_least=True,
            )


def judged_losses(losses: Sequence[Loss], limit_mb_s: float, *, is_scaled: bool) -> list[Finding]:
    """Return how a fetcher fared that lost one of two holders."""
    found = list[Finding]()
    for loss in losses:
        name = f"a holder {loss.how}"
        least = None if is_scaled else BOTH_HOLDERS_MIN * 2 * limit_mb_s
        most = None if is_scaled else FLOWS_S_MAX
        again = "never" if loss.again_s is None else f"after {loss.again_s:.1f} s"
        found += [
            Finding(f"{name}: before, from both", loss.before_mb_s, "MB/s", least, at_least=True),
            Finding(f"{name}: until bytes flow from the other", loss.flows_s, "s", most,
                    note=f"it gives all that it may: {again}"),
            Finding(f"{name}: longest silence of the other", loss.silent_s, "s", most),
            Finding(f"{name}: everything is there", loss.seconds, "s"),
            Finding(f"{name}: moved of the size of the files", loss.moved_share,
                    note="both holders, with all headers"),
        ]  # fmt: skip
    return found


def lines(found: Iterable[Finding]) -> list[str]:
    """Write findings, a line for each."""
    return [
        "  ".join(filter(None, (one.name, shown(one), promise(one), verdict(one)))) for one in found
    ]


def complaints(runs: Iterable[Run], found: Iterable[Finding]) -> list[str]:
    """Say what failed, and what is not as promised. What was left out is neither."""
    failed = [
        f"{run.where}, {run.sample.name}: {run.who}: {run.why_not}"
        for run in runs
        if run.is_failure
    ]
    missed = [
        f"{one.name}: {shown(one)}, must be {promise(one)}" for one in found if not one.is_kept
    ]
    return failed + missed
