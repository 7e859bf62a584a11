"""From outside: a card with bombs among its photos. The photos are in, each bomb is told, and
neither the daemon nor who reads for it takes more memory than it may.
"""

from __future__ import annotations

from pathlib import Path

from photonic import limits
from photonic.jail import landlock
from photonic.jail.confinement import WALLS
from simulations.daemons import daemons, peaks_mb, photonic
from tests.bombs import TOLD, make_bombs, sidecar_bombs
from tests.cameras import make_camera_files

DAEMON_MB_MAX = 400  # measured: 165 at its start, 234 with the good ones alone, 278 with all


def test_bombs_cost_nobody_anything_but_themselves(tmp_path: Path) -> None:
    card = tmp_path / "card"
    good = {path.name for path in make_camera_files(card)}
    bombs = {path.name for path in make_bombs(card / "bombs")}
    first = sorted(good)[0]
    laden = card / "laden"
    laden.mkdir()
    for name, data in sidecar_bombs().items():
        photo = (card / first).read_bytes()
        (laden / f"{name}.jpg").write_bytes(photo + name.encode())
        (laden / f"{name}.xmp").write_bytes(data)

    with daemons(tmp_path / "a") as (node,):
        node.start()
        photonic(node.home, "import", str(card), check=False, within_s=300)
        photos = {item["name"]: item for item in node.photos().values()}
        assert good | bombs | {f"{name}.jpg" for name in sidecar_bombs()} <= photos.keys()
        for name in good:
            detail = node.get(f"/photos/{photos[name]['id']}")
            assert detail["media_type"], name
            assert node.bytes(f"/photos/{photos[name]['id']}/preview", size=256)[:2] == b"\xff\xd8"
        told = {Path(p["path"] or "").name: p["code"] for p in node.status()["problems"]}
        assert {name for name in bombs if name in told} >= TOLD
        assert not good & told.keys()
        for name in sidecar_bombs().keys() - {"names"}:
            assert told[f"{name}.xmp"] == "ingest.sidecar-invalid"
        assert node.process is not None
        peaks = peaks_mb(node.process.pid)
        print(peaks)
        assert peaks["daemon"] < DAEMON_MB_MAX
        assert peaks["worker"] * 1e6 < limits.WORKER_MEMORY_BYTES_MAX
        if landlock.version():
            doctor = {check["name"]: check for check in node.get("/doctor")["items"]}
            assert doctor["hostile files"]["ok"], doctor["hostile files"]
            assert all(wall in doctor["hostile files"]["detail"] for wall in WALLS)
        assert node.stop() == 0
