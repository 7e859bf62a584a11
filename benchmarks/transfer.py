"""`python -m benchmarks.transfer [--only machine,links,holders] [--scale 0.01] [--json FILE]`

Moves the same files from one end to another with photonic and with others, in one run, and puts the
ratios beside the budgets of DESIGN section 9.

machine  both ends on this machine, over loopback, on tmpfs and on disk: 80 files of 25 MB, 5,000 of
         200 kB, one of 10 GB, and 1,000 JPEGs that both ends hold and that get new tags (between
         network namespaces, so that every byte on the wire is counted)
links    between network namespaces: a fast link far away, a lossy one, one that breaks
holders  two limited holders and one that fetches; one holder is killed, or its cable pulled

What is counted: `photonic` from the moment when both have the catalog (and no original has moved)
until all originals are durable on the taker; `photonic-whole` from the start of an empty taker's
process. `limit` is two bare TLS lanes with BLAKE3, write and fsync. rsync is from the start of its
client, Syncthing from the first of the index; neither fsyncs all (`flush s` is what the disk had
yet to write at the end), `rsync-fsync` does. All files are in the page cache before. CPU is of the
process trees of each end, memory the sum of their processes' peaks. Programs that are missing are
left out, and said to be. The exit status is 1 if something failed or is not as promised; with
--scale nothing is promised.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import runs as told
from benchmarks.bare_lanes import bare_lanes
from benchmarks.ends import WITHIN_S, Job, flush_s
from benchmarks.findings import Finding
from benchmarks.holders import LEAVINGS, Loss, lose_a_holder
from benchmarks.meter import Taken
from benchmarks.ours import photonic, photonic_whole
from benchmarks.rivals import git_annex, rsync_daemon, rsync_daemon_fsync, rsync_ssh
from benchmarks.runs import Run
from benchmarks.samples import Sample, retag, weight
from benchmarks.syncthing import syncthing
from simulations.ends import LeftOut
from simulations.rooms import Link, joined, lan

Contender = Callable[[Job], Taken]

PARTS = ("machine", "links", "holders")
SAMPLES = (
    Sample(told.LARGE, 80, 25_000_000),
    Sample(told.SMALL, 5_000, 200_000),
    Sample(told.HUGE, 1, 10_000_000_000),
    Sample(told.RETAGGED, 1_000, 3_000_000, is_retagged=True),
)
LINKS = {
    Link(told.FAR, 1_000, 100): Sample("500 x 10 MB", 500, 10_000_000),
    Link("lossy", 50, 40, loss_percent=1): Sample("80 x 5 MB", 80, 5_000_000),
    Link("breaks", 100, 20, down_s=20): Sample("150 x 10 MB", 150, 10_000_000),
}
HELD = Sample("300 x 20 MB", 300, 20_000_000)
HOLDER_MB_S = 50.0
MACHINE: dict[str, Contender] = {
    told.LIMIT: bare_lanes,
    told.OURS: photonic,
    told.OURS_WHOLE: photonic_whole,
    told.RSYNC: rsync_daemon,
    "rsync-fsync": rsync_daemon_fsync,
    "rsync-ssh": rsync_ssh,
    told.SYNCTHING: syncthing,
    "git-annex": git_annex,
}
FAR_AWAY: dict[str, Contender] = {
    "lane-1": partial(bare_lanes, lanes=1),
    "lanes-8": partial(bare_lanes, lanes=8),
    told.OURS: photonic,
    told.RSYNC: rsync_daemon,
    told.SYNCTHING: syncthing,
}
_COPIES = {False: 3.1, True: 6.2}  # of a set that lie about at one time; of one that is re-tagged


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 1 if something failed or is not as promised."""
    wanted = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended early"))  # and all that was started
    runs: list[Run] = []
    if "machine" in wanted.only:
        for place in wanted.work:
            for sample in wanted.sets:
                runs += _on_this_machine(sample.scaled(wanted.scale), place, wanted)
    links = list(wanted.links) if "links" in wanted.only else []
    for link in links:
        runs += _over(link, LINKS[link].scaled(wanted.scale), wanted)
    losses: list[Loss] = []
    if "holders" in wanted.only:
        losses, failed = _with_holders(HELD.scaled(wanted.scale), wanted)
        runs += failed
    is_scaled = wanted.scale != 1
    middle = told.middle(runs)
    found = told.judged(middle, links, is_scaled=is_scaled)
    found += told.judged_losses(losses, wanted.holder_mb_s, is_scaled=is_scaled)
    complaints = told.complaints(middle, found)
    _report(middle, found, complaints, is_scaled=is_scaled)
    if wanted.json is not None:
        wanted.json.write_text(_json(runs, losses, found, complaints, wanted.scale))
    return 1 if complaints else 0


def _report(
    runs: Sequence[Run], found: Sequence[Finding], complaints: Sequence[str], *, is_scaled: bool
) -> None:
    _say("", told.table(runs), "", *told.lines(found), "")
    if is_scaled:
        _say("The sets were made smaller: these are no figures to go by, and nothing is promised.")
    _say(*(f"NOT AS PROMISED: {line}" for line in complaints))
    if not complaints and not is_scaled:
        _say("Everything that was measured is as promised.")


def _json(
    runs: Sequence[Run],
    losses: Sequence[Loss],
    found: Sequence[Finding],
    complaints: Sequence[str],
    scale: float,
) -> str:
    machine = {
        "processors": os.cpu_count(),
        "python": platform.python_version(),
        "congestion": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "load": os.getloadavg(),
    }
    report = {
        "machine": machine,
        "scale": scale,
        "runs": [run.plain() for run in runs],
        "losses": [asdict(loss) for loss in losses],
        "findings": [asdict(one) | {"growth": None} for one in found],
        "complaints": complaints,
    }
    return json.dumps(report, indent=1) + "\n"


# --- on this machine -----------------------------------------------------------------------------


def _on_this_machine(sample: Sample, place: Path, wanted: argparse.Namespace) -> Iterator[Run]:
    where = _file_system(place)
    contenders = {name: run for name, run in MACHINE.items() if name in wanted.who}
    if sample.is_retagged:  # with all bytes to be counted; the limit knows no difference to send
        contenders.pop(told.LIMIT, None)
    try:
        with _made(sample, place) as (source, folder):
            for round_ in range(wanted.rounds):
                for name in _turned(list(contenders), round_):
                    job = Job(source, folder / "work", within_s=wanted.within)
                    yield from _said(where, sample, name, contenders[name], job)
    except LeftOut as reason:
        yield from _none(where, sample, list(contenders), reason)


def _turned(names: list[str], round_: int) -> list[str]:
    """Return the contenders in another order in each round."""
    by = round_ % len(names) if names else 0
    return names[by:] + names[:by]


def _said(where: str, sample: Sample, who: str, contender: Contender, job: Job) -> Iterator[Run]:
    """Let one contender do the job; say and yield what came of it."""
    size_bytes = weight(job.source)
    run = Run(where, sample, size_bytes, who)
    flush_s(job.source)  # what the one before left to be written
    try:
        taken = _retagging(contender, job) if sample.is_retagged else contender(job)
        taken.flush_s = flush_s(job.work)
        run = replace(run, taken=taken)
    except LeftOut as reason:
        run = replace(run, why_not=str(reason))
    except Exception as error:  # noqa: BLE001 - one that fails must not end the others
        run = replace(run, why_not=_words(error), is_failure=True)
    finally:
        shutil.rmtree(job.work, ignore_errors=True)
    _say(told.table([run]).splitlines()[1])
    yield run


def _words(error: Exception) -> str:
    notes = " ".join(getattr(error, "__notes__", []))
    return f"{str(error) or repr(error)} {notes}".replace("\n", " ").strip()[:600]


def _retagging(contender: Contender, job: Job) -> Taken:
    """Let a contender bring what changes when the files of its own copy get new tags."""
    source = job.work.with_name("tagged")
    shutil.copytree(job.source, source)
    try:
        with lan(2) as (giver, taker):
            return contender(
                replace(
                    job,
                    source=source,
                    giver=giver,
                    taker=taker,
                    change=partial(retag, source),
                    wire_bytes=lambda: giver.sent_bytes() + taker.sent_bytes(),
                )
            )
    finally:
        shutil.rmtree(source)


def _none(where: str, sample: Sample, names: Sequence[str], reason: LeftOut) -> Iterator[Run]:
    for name in names:
        run = Run(where, sample, sample.bytes, name, why_not=str(reason))
        _say(told.table([run]).splitlines()[1])
        yield run


@contextmanager
def _made(sample: Sample, place: Path) -> Iterator[tuple[Path, Path]]:
    """Make a set of files; give its folder, and one to work in. Raises LeftOut without room."""
    need = round(sample.bytes * _COPIES[sample.is_retagged])
    free = shutil.disk_usage(place).free
    if need > 0.95 * free:
        raise LeftOut(f"needs {need / 1e9:.1f} GB in {place}, where {free / 1e9:.1f} GB are free")
    with tempfile.TemporaryDirectory(dir=place, prefix="photonic-transfer-") as folder:
        yield sample.make(Path(folder, "source")), Path(folder)


def _file_system(place: Path) -> str:
    """Return the type of the file system, as `stat` calls it."""
    command = ["stat", "--file-system", "--format=%T", str(place)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


# --- elsewhere -----------------------------------------------------------------------------------


def _over(link: Link, sample: Sample, wanted: argparse.Namespace) -> Iterator[Run]:
    contenders = {name: run for name, run in FAR_AWAY.items() if name in wanted.who}
    try:
        with _made(sample, _roomy(sample, wanted.work)) as (source, folder):
            for round_ in range(wanted.rounds):
                for name in _turned(list(contenders), round_):
                    with joined(link) as ends:
                        job = Job(
                            source,
                            folder / "work",
                            ends.giver,
                            ends.taker,
                            go=ends.restart,
                            wire_bytes=ends.wire_bytes,
                            within_s=wanted.within,
                        )
                        yield from _said(link.name, sample, name, contenders[name], job)
    except LeftOut as reason:
        yield from _none(link.name, sample, list(contenders), reason)


def _roomy(sample: Sample, places: Sequence[Path]) -> Path:
    """Return the first place with room for a set: on a slow link the disk does not matter."""
    need = sample.bytes * _COPIES[sample.is_retagged]
    return next((one for one in places if 0.95 * shutil.disk_usage(one).free > need), places[-1])


def _with_holders(sample: Sample, wanted: argparse.Namespace) -> tuple[list[Loss], list[Run]]:
    losses, failed = list[Loss](), list[Run]()
    for how in LEAVINGS:
        run = Run(f"a holder {how}", sample, sample.bytes, told.OURS)
        place = _roomy(replace(sample, count=2 * sample.count), wanted.work)
        with tempfile.TemporaryDirectory(dir=place, prefix="photonic-transfer-") as folder:
            work = Path(folder)
            try:
                loss = lose_a_holder(how, sample, wanted.holder_mb_s, work, wanted.within)
            except LeftOut as reason:
                failed.append(replace(run, why_not=str(reason)))
            except Exception as error:  # noqa: BLE001 - the other way is worth knowing, too
                failed.append(replace(run, why_not=_words(error), is_failure=True))
            else:
                losses.append(loss)
                _say(*told.lines(told.judged_losses([loss], wanted.holder_mb_s, is_scaled=True)))
    return losses, failed


# --- what is asked for ---------------------------------------------------------------------------


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.transfer",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    everybody = list(dict.fromkeys((*MACHINE, *FAR_AWAY)))
    samples, links = {one.name: one for one in SAMPLES}, {one.name: one for one in LINKS}
    parser.add_argument("--only", type=_some(dict.fromkeys(PARTS)), default=list(PARTS))
    parser.add_argument("--who", type=_some(dict.fromkeys(everybody)), default=everybody)
    parser.add_argument("--sets", type=_some(samples), default=list(SAMPLES))
    parser.add_argument("--links", type=_some(links), default=list(LINKS))
    parser.add_argument("--scale", type=float, default=1.0, help="make every set so much smaller")
    parser.add_argument("--rounds", type=int, default=1, help="the middle one of several counts")
    parser.add_argument(
        "--work", type=_folders, default="/dev/shm,/var/tmp", help="a tmpfs and a disk to work on"
    )
    parser.add_argument("--holder-mb-s", type=float, default=HOLDER_MB_S, help="of each holder")
    parser.add_argument("--within", type=float, default=WITHIN_S, help="seconds for each transfer")
    parser.add_argument("--json", type=Path, help="write everything to this file too")
    wanted = parser.parse_args(arguments)
    if not 0 < wanted.scale <= 1:
        parser.error("--scale is more than 0 and at most 1")
    return wanted


def _some(known: dict[str, Any]) -> Callable[[str], list[Any]]:
    """Return a parser of names, which gives what they stand for, or the names themselves."""

    def parse(text: str) -> list[Any]:
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            choice = ", ".join(known)
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose from {choice}")
        return [known[name] or name for name in text.split(",")]

    return parse


def _folders(text: str) -> list[Path]:
    folders = [Path(part).absolute() for part in text.split(",")]
    for folder in folders:
        if not folder.is_dir():
            raise argparse.ArgumentTypeError(f"there is no folder {folder}")
    return folders


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
