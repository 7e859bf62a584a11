"""Writes an audit log until somebody kills it, and says after each flush how far it is durable."""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from photonic.audit_log import AuditLog
from photonic.identity import Identity
from photonic.problems import Problems
from photonic.world import World


async def main(folder: Path) -> None:
    log = AuditLog(folder, Identity(bytes(32)), World(), Problems())
    await log.open()
    number = 0
    while True:
        for _ in range(7):
            number += 1
            log.record("test.act", {"number": str(number), "words": "x" * 200})
        await log.flush()
        print(log._end.n, flush=True)


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
