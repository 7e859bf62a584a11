"""Ten minutes of hostile bytes for every decoder: `tox -e fuzz-peers`.

`python -m tests.hostile.fuzz --seconds 600 --corpus FOLDER [--seed N]`. Inputs that reach lines
of the product that none reached before are kept in the corpus and bent further, over runs, too.
Whatever a decoder raises that it does not promise, and whatever takes too long, is written into
the corpus' folder as `found-*` and ends the run with status 1. (Atheris would steer by its own
coverage; it has no wheel for the oldest Python that photonic runs on.)
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

from photonic.ids import digest
from tests.hostile.decoders import DECODERS, Decoder
from tests.hostile.mutator import Mutator

TRACED = str(Path(__file__).parents[2] / "photonic")
SECONDS_EACH_MAX = 2.0
PIECE_S = 2.0  # of one decoder, before the next has its turn
TRACED_EVERY = 4  # inputs; to trace costs more than to decode


class Lines:
    """Which lines of the product ran."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.is_news = False

    def trace(self, frame: FrameType, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(TRACED):
            return None
        if event == "line":
            place = (frame.f_code.co_filename, frame.f_lineno)
            if place not in self.seen:
                self.seen.add(place)
                self.is_news = True
        return self.trace


class Campaign:
    """One decoder, its corpus, and what was found."""

    def __init__(self, decoder: Decoder, folder: Path, seed: int) -> None:
        self.decoder, self.lines = decoder, Lines()
        self.folder = folder / decoder.name.replace(" ", "-")
        self.folder.mkdir(parents=True, exist_ok=True)
        kept = [path.read_bytes() for path in sorted(self.folder.iterdir())]
        self.corpus = [*decoder.seeds, *kept]
        self.mutator = Mutator(seed)
        self.tried = self.slowest_s = 0.0
        self.found: list[str] = []
        for data in self.corpus:
            self._try(data, is_traced=True)

    def go_on(self, seconds: float) -> None:
        until_s = time.monotonic() + seconds
        while time.monotonic() < until_s:
            data = self.mutator.bend(self.corpus)
            self.lines.is_news = False
            self._try(data, is_traced=self.tried % TRACED_EVERY == 0)
            if self.lines.is_news:
                self.corpus.append(data)
                (self.folder / digest(data).hex()[:16]).write_bytes(data)

    def _try(self, data: bytes, *, is_traced: bool) -> None:
        self.tried += 1
        began_s = time.process_time()  # the machine may be busy with other things
        sys.settrace(self.lines.trace if is_traced else None)
        try:
            self.decoder.run(data)
        except self.decoder.raises:
            pass
        except BaseException as error:
            sys.settrace(None)
            if isinstance(error, KeyboardInterrupt):
                raise
            self._note(data, traceback.format_exc(limit=-4))
        finally:
            sys.settrace(None)
        took_s = time.process_time() - began_s
        self.slowest_s = max(self.slowest_s, took_s)
        if took_s > SECONDS_EACH_MAX:
            self._note(data, f"it took {took_s:.1f} s")

    def _note(self, data: bytes, what: str) -> None:
        if what in self.found:
            return
        self.found.append(what)
        place = self.folder.parent / f"found-{self.folder.name}-{digest(data).hex()[:16]}"
        place.write_bytes(data)
        print(f"{self.decoder.name}: {place}\n{what}", flush=True)


def main() -> int:
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--seconds", type=float, default=600.0)
    reader.add_argument("--corpus", type=Path, default=Path(".fuzz"))
    reader.add_argument("--seed", type=int, default=int(time.time()))
    chosen = reader.parse_args()
    logging.disable(logging.ERROR)
    campaigns = [Campaign(decoder, chosen.corpus, chosen.seed) for decoder in DECODERS]
    until_s = time.monotonic() + chosen.seconds
    while time.monotonic() < until_s:
        for campaign in campaigns:
            campaign.go_on(min(PIECE_S, max(0.0, until_s - time.monotonic())))
    for one in campaigns:
        print(
            f"{one.decoder.name:26} {one.tried:10,.0f} inputs, {len(one.corpus):5} kept,"
            f" {len(one.lines.seen):5} lines, slowest {one.slowest_s * 1000:6.0f} ms,"
            f" {len(one.found)} found"
        )
    total = sum(campaign.tried for campaign in campaigns)
    found = sum(len(campaign.found) for campaign in campaigns)
    print(f"seed {chosen.seed}: {total:,.0f} inputs, {found} found")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
