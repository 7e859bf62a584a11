"""A daemon whose clock is wrong: all of it is real but the time.

`python -m simulations.ahead --home HOME node ...` is `python -m photonic` on a machine whose clock
is as many seconds ahead as the file `ahead` of the home says.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from photonic.cli import app
from photonic.world import SystemClock


def _home(words: list[str]) -> Path:
    return Path(words[words.index("--home") + 1])


def main() -> None:
    ahead_ms = int((_home(sys.argv) / "ahead").read_text()) * 1000

    def now_ms(_: SystemClock) -> int:
        return time.time_ns() // 1_000_000 + ahead_ms

    SystemClock.now_ms = now_ms  # type: ignore[assignment, method-assign]
    app.main()


if __name__ == "__main__":
    main()
