"""A worker process: reads one file after another and says what is in each.

`python -m photonic.ingest.worker`, started by `workers.Workers`, speaks frames on its pipes and
ends when its standard input does. It holds no secrets and opens no sockets; its memory is limited,
so a hostile file costs this one process and nothing else.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
from pathlib import Path
from typing import BinaryIO

from photonic import limits, wire
from photonic.errors import PhotonicError, PhotoUnreadable
from photonic.ingest import metadata, renditions
from photonic.ingest.examination import Answer, Examine, Examined, Failed
from photonic.photos import media_type

_READ_BYTES = 64 * limits.KIB


def examine(path: Path) -> Examined:
    """Read the facts and make the previews of one file. Raises PhotoUnreadable, FileEmpty.

    A file whose facts can be read but whose picture cannot is damaged, not unreadable.
    """
    facts = metadata.read(path)
    try:
        drawn = renditions.draw(path, facts.orientation)
    except PhotoUnreadable as error:
        return Examined(facts, (), error.message)
    return Examined(facts, drawn.renditions, drawn.damage)


def answer(request: Examine, folder: Path) -> Answer:
    """Examine through a link with the right extension, so that the name decides, not the store."""
    suffix = Path(request.name).suffix.lower()
    if media_type(request.name) is None:
        return Failed(PhotoUnreadable.code, f"{suffix or 'no extension'} is no kind of photo")
    link = folder / f"photo{suffix}"
    link.unlink(missing_ok=True)
    link.symlink_to(os.fsdecode(request.path))
    try:
        return examine(link)
    except PhotonicError as error:
        words = error.message.replace(f"{folder}/", "").replace(link.name, request.name)
        return Failed(error.code, words)
    except (MemoryError, RecursionError) as error:
        return Failed(PhotoUnreadable.code, f"reading it takes too much: {type(error).__name__}")
    except Exception as error:  # noqa: BLE001 - a parser's own bug must not end the worker
        return Failed(PhotoUnreadable.code, f"{type(error).__name__}: {error}")
    finally:
        link.unlink(missing_ok=True)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""
    reader = wire.FrameReader()
    with tempfile.TemporaryDirectory(prefix="photonic-worker-") as folder:
        while data := os.read(requests.fileno(), _READ_BYTES):
            for body in reader.feed(data):
                found = answer(wire.decode(body, Examine), Path(folder))
                answers.write(wire.frame(wire.encode(found)))
                answers.flush()


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (limits.WORKER_MEMORY_BYTES_MAX,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the node's to answer
    os.nice(5)  # pictures can wait, peers and pages cannot
    # Libraries print to standard output; the frames must stay alone on theirs.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
