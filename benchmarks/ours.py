"""photonic doing the job: two daemons, seen from outside only (command line and REST).

How the bytes move is not this module's business. What is counted:

- `photonic`: from the moment when both have the catalog, and not a byte of an original has moved,
  until the taker says that every original is durable there. It is kept from fetching before by
  `metered`, and joined beforehand. This is what compares to others who know already what to fetch.
  When the files have changed that both had, the clock starts likewise, but bytes are counted from
  the change on: the new catalog entries and previews are among them.
- `photonic, whole`: from the start of the taker's process, an empty member that was invited, until
  the same moment: start, connecting and the catalog are in it.

In the end the taker has to give back some photos as they were, or the figure does not count.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.ends import Job
from benchmarks.meter import Meter, Taken
from benchmarks.samples import count, weight
from simulations.ends import End, Failed, LeftOut, wait_for
from simulations.residents import Resident, kept

_PHOTOS_CHECKED = 3
_LOOK_S = 0.05  # a look is a question over HTTP, some 5 ms of the daemon that is measured
_FIRST_LOOKS_S = 0.4
_EARLY_SHARE_MAX = 0.02  # previews, which do not wait
_BYTES_CHECKED_MAX = 100_000_000  # of one photo, which is read into memory


class OurNode(Resident):
    """A daemon of which a benchmark asks more than of another one."""

    def take_in(self, folder: Path) -> None:
        """Import a folder, and check that all of it was taken in."""
        before = self.status()["photos"]
        super().take_in(folder)
        status = self.status()
        if status["photos"] - before != count(folder):
            raise Failed(f"the import took in {status['photos'] - before:,} photos only")

    def hold_originals(self, *, is_held: bool) -> None:
        """Have originals wait, or let them go on. Previews and the catalog go on meanwhile."""
        self.send("PUT", "/limits", {"metered": is_held})

    def has_catalog_of(self, other: OurNode) -> bool:
        """Whether nothing is missing here but originals."""
        status = self.status()
        wants, originals = status["wants"], status["holdings"]
        missing = wants["blobs_wanted"] - wants["blobs_held"]
        return bool(
            status["photos"] == other.counts()[0]
            and missing == originals["wanted"] - originals["held"]
        )

    def fetched_bytes(self) -> int:
        """Return the bytes of chunks that this process has received so far, as it counts them."""
        return int(self.metrics()["photonic_bytes_in_total"])


@contextmanager
def our_nodes(work: Path, *ends: End) -> Iterator[list[OurNode]]:
    """Give nodes that are not started yet; whatever happens, none is left behind."""
    nodes = [OurNode(work / f"node{number}", end) for number, end in enumerate(ends)]
    with kept(nodes):
        yield nodes


def photonic(job: Job) -> Taken:
    """Time two daemons from the moment when both have the catalog."""
    with our_nodes(job.work, job.giver, job.taker) as (giver, taker):
        _prepare(job, giver, taker)
        giver.stop()
        taker.start()
        taker.hold_originals(is_held=job.change is None)
        taker.stop()
        giver.start()
        taker.start("--peer", giver.listen[0])
        wire, fetched, held = job.wire(), 0, 0
        if job.change is not None:
            wait_for(lambda: taker.counts() == giver.counts(), job.within_s)
            taker.hold_originals(is_held=True)
            wire, fetched, held = job.wire(), taker.fetched_bytes(), taker.counts()[1]
            job.change()
            giver.take_in(job.source)
        wait_for(lambda: taker.has_catalog_of(giver), job.within_s)
        early = taker.fetched_bytes() - fetched
        if taker.counts()[1] != held or early > _EARLY_SHARE_MAX * weight(job.source):
            raise Failed("originals did not wait until both had the catalog")
        everything = giver.counts()
        job.go()
        with Meter(giver=giver.pid, taker=taker.pid) as meter:
            taker.hold_originals(is_held=False)
            _wait_for_all(taker, everything, job.within_s)
        meter.taken.own_bytes = taker.fetched_bytes() - fetched
        meter.taken.wire_bytes = job.wire() - wire if job.wire_bytes else None
        _check(giver, taker, job.source)
    return meter.taken


def photonic_whole(job: Job) -> Taken:
    """Time two daemons from the start of the one that has nothing."""
    if job.change is not None:
        raise LeftOut("here the taker has the catalog before")
    with our_nodes(job.work, job.giver, job.taker) as (giver, taker):
        _prepare(job, giver, taker)
        giver.stop()
        giver.start()  # without what the import left in its memory
        everything, wire = giver.counts(), job.wire()
        job.go()
        with Meter(giver=giver.pid) as meter:
            taker.start("--peer", giver.listen[0])
            meter.add("taker", taker.pid)
            _wait_for_all(taker, everything, job.within_s)
        meter.taken.own_bytes = taker.fetched_bytes()
        meter.taken.wire_bytes = job.wire() - wire if job.wire_bytes else None
        _check(giver, taker, job.source)
    return meter.taken


def _wait_for_all(taker: OurNode, everything: tuple[int, int], within_s: float) -> None:
    """Wait until the taker has the whole catalog and holds all of it. Raises Failed.

    The nearer that is, the oftener one looks: each look costs the daemon that is measured.
    """
    began_s, held = time.monotonic(), taker.counts()[1]
    while (now := taker.counts()) != everything:
        passed_s, came = time.monotonic() - began_s, now[1] - held
        if passed_s > within_s:
            raise Failed(f"not done within {within_s:,.0f} s")
        left_s = passed_s * (everything[1] - now[1]) / came if came > 0 else _FIRST_LOOKS_S
        time.sleep(min(1.0, max(_LOOK_S, left_s / 2)))


def _prepare(job: Job, giver: OurNode, taker: OurNode) -> None:
    """Have the giver hold everything, and the taker be an empty member that does not run."""
    giver.start()
    giver.take_in(job.source)
    giver.invite(taker)


def _check(giver: OurNode, taker: OurNode, source: Path) -> None:
    """Compare what the taker holds, and some photos as it gives them back, with the source."""
    ours, theirs = (node.status()["holdings"] for node in (taker, giver))
    if ours["bytes"] != theirs["bytes"] or theirs["bytes"] < weight(source):
        raise Failed(f"{ours['bytes']:,} bytes are here of {theirs['bytes']:,}")
    for item in taker.get("/photos", limit=_PHOTOS_CHECKED)["items"]:
        path, size = source / item["name"], taker.get(f"/photos/{item['id']}")["bytes"]
        # Of a re-tagged file the photo from before has another size, and no file any more.
        if path.stat().st_size == size < _BYTES_CHECKED_MAX:
            data = taker.bytes(f"/photos/{item['id']}/original")
            if data != path.read_bytes():
                raise Failed(f"{path.name} came out as another one")
