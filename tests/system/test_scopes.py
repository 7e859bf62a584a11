"""Members that may less than others, as real daemons: they get what their scopes say."""

from __future__ import annotations

from pathlib import Path

from photonic.ingest.samples import make_samples
from simulations.daemons import Daemon, daemons, photonic

COUNT = 4


def join_with(host: Daemon, guest: Daemon, *scopes: str) -> None:
    body = {"role": "mobile", "scopes": [*scopes]}
    code = host.send("POST", "/invitations", body)["code"]
    photonic(guest.home, "join", code)


def test_members_get_what_their_scopes_say_and_no_more(tmp_path: Path) -> None:
    make_samples(tmp_path / "samples", COUNT)
    homes = [tmp_path / name for name in ("studio", "reader", "keeper")]
    with daemons(*homes) as (studio, reader, keeper):
        studio.start("--name", "studio")
        photonic(studio.home, "import", str(tmp_path / "samples"))
        join_with(studio, reader, "catalog.read")
        join_with(studio, keeper, "blobs.read")
        for node in (reader, keeper):
            node.start("--peer", studio.listen[0])
        reader.wait_until(lambda: reader.status()["photos"] == COUNT, 60)

        def are_refused() -> bool:
            log = studio.errors()
            return "may not open /photonic/lanes/1" in log and (
                "may not open /photonic/catalog/1" in log
            )

        studio.wait_until(are_refused, 60)
        studio.wait_until(lambda: studio.status()["peers"] == 2, 60)
        assert reader.status()["holdings"]["held"] == 0
        assert keeper.status()["photos"] == 0
