"""A worker process: reads one file after another and says what is in each.

`python -m photonic.ingest.worker`, started by `workers.Workers`, speaks frames on its pipes and
ends when its standard input does. Its arguments are the folders that it may read below; all else it
gives up (`confinement`), so a hostile file costs this one process and nothing else.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import BinaryIO

from photonic import limits, wire
from photonic.errors import PhotonicError, PhotoUnreadable
from photonic.ingest import metadata, renditions
from photonic.ingest.examination import Answer, Examine, Examined, Failed, Ready
from photonic.jail import confinement

_READ_BYTES = 64 * limits.KIB
_ALARM_S = 2 * (limits.METADATA_TIMEOUT_S + limits.RENDITION_TIMEOUT_S)


def examine(path: Path, name: str) -> Examined:
    """Read the facts and make the previews of one file. Raises PhotoUnreadable, FileEmpty.

    A file whose facts can be read but whose picture cannot is damaged, not unreadable.
    """
    facts = metadata.read(path, name)
    try:
        drawn = renditions.draw(path, facts.orientation, name)
    except PhotoUnreadable as error:
        return Examined(facts, (), error.message)
    return Examined(facts, drawn.renditions, drawn.damage)


def answer(request: Examine) -> Answer:
    """Examine one file. Whatever is wrong with it is in the answer, in words that name it."""
    path = Path(os.fsdecode(request.path))
    try:
        found = examine(path, request.name)
    except PhotonicError as error:
        return Failed(error.code, _named(error.message, path, request.name))
    except (MemoryError, RecursionError) as error:
        return Failed(PhotoUnreadable.code, f"reading it takes too much: {type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - a parser's own bug must not end the worker
        return Failed(PhotoUnreadable.code, f"{type(error).__name__}: {error}")
    if found.damage is None:
        return found
    return Examined(found.facts, found.renditions, _named(found.damage, path, request.name))


def _named(words: str, path: Path, name: str) -> str:
    """Say the file's own name where a reader said the path at which the store has it."""
    here = os.fsencode(path).decode("utf-8", "replace")
    return words.replace(here, name).replace(metadata.shown(path), name)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    reader = wire.FrameReader()
    while data := os.read(requests.fileno(), _READ_BYTES):
        for body in reader.feed(data):
            # The kernel ends a worker whose node died while a parser loops: nobody else would.
            signal.setitimer(signal.ITIMER_REAL, _ALARM_S)
            confinement.allow_time(limits.WORKER_CPU_S)
            found = answer(wire.decode(body, Examine))
            signal.setitimer(signal.ITIMER_REAL, 0)
            answers.write(wire.frame(wire.encode(found)))
            answers.flush()


def main() -> None:
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to answer
    # Libraries print to standard output; the frames must stay alone on theirs.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    walls = confinement.confine([Path(folder) for folder in sys.argv[1:]])
    answers.write(wire.frame(wire.encode(Ready(walls))))
    answers.flush()
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
