"""Two daemons that know each other's old addresses only, on a LAN of their own.

`test_lan.py` runs it inside a network namespace; nothing of it reaches the machine's network.
"""

from __future__ import annotations

import sys
from pathlib import Path

from simulations.daemons import daemons, join

HOSTS = ("10.77.0.1", "10.77.0.2")


def main(place: Path) -> None:
    with daemons(place / "a", place / "b") as (first, second):
        for node in (first, second):
            node.discovery = True
        first.start("--listen", f"/ip4/{HOSTS[0]}/tcp/0")
        join(first, second)
        second.start("--listen", f"/ip4/{HOSTS[1]}/tcp/0")
        second.wait_until(lambda: second.status()["peers"] == 1, 30)
        before = {first.listen[0], second.listen[0]}
        first.stop()
        second.stop()
        # Other ports now, and nobody is told: only what each announces leads the other to it.
        first.start()
        second.start()
        assert not before & {first.listen[0], second.listen[0]}
        second.wait_until(lambda: second.status()["peers"] == 1, 30)
        print("they met again")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
