"""One library is damaged, full, without its port, or on its way elsewhere: the other serves on."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from simulations.daemons import Daemon, daemons, photonic
from tests.system.two_libraries import add, listed, tenant

SIZE_BYTES = 10_000_000
QUOTA_BYTES = 45_000_000


def raw_files(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        (folder / f"IMG_{number}.CR3").write_bytes(os.urandom(SIZE_BYTES))
    return folder


def state_of(machine: Daemon, name: str = "ben") -> object:
    one = listed(machine).get(name)
    return one["state"] if one else None


@contextmanager
def uncut(machine: Daemon) -> Iterator[None]:
    """Whatever happens inside, who listens to the first library's events is not cut off."""
    with machine._client.stream("GET", f"{machine.url}/api/v1/events") as listening:
        lines = listening.iter_lines()
        next(lines)
        yield
        machine.send("POST", "/albums", {"name": "told to whoever still listens"})
        assert any(line.startswith("event: albums") for line in lines)


def section(machine_home: Path, **settings: object) -> None:
    text = json.dumps({"libraries": {"ben": settings}})  # which is YAML, too
    machine_home.mkdir(parents=True, exist_ok=True)
    (machine_home / "photonic.yaml").write_text(text)


def used_bytes(home: Path) -> int:
    folders = (home / "blobs" / name for name in ("blobs", "packs", "partial", "damaged"))
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return sum(min(path.stat().st_size, path.stat().st_blocks * 512) for path in files)


def test_a_damaged_library_is_told_and_tried_again_and_the_other_serves(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (machine,):
        machine.start()
        ben = add(machine)
        assert machine.stop() == 0
        record = ben.home / "library.json"
        whole = record.read_bytes()
        record.write_bytes(b"not what it was")
        machine.start()
        machine.wait_until(lambda: state_of(machine) == "failed")
        problem = listed(machine)["ben"]["problem"]
        assert isinstance(problem, dict) and problem["code"] == "home.unusable"
        told = photonic(machine.home, "library", "list").stdout
        assert "library.json" in told and "→" in told
        away = machine._client.get(f"{machine.url}/l/ben/api/v1/status")
        assert (away.status_code, away.json()["code"]) == (503, "libraries.not-serving")
        assert "library.json" not in away.text, "why is told at the machine alone"
        assert machine.status()["problems"] == [], "it is no problem of the other library"
        with uncut(machine):
            record.write_bytes(whole)
            machine.wait_until(lambda: state_of(machine) == "serving")
        assert tenant(machine).status()["library"]["name"] == "ben"
        assert machine.stop() == 0


def test_the_first_library_may_be_the_damaged_one(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (machine,):
        machine.start()
        ben = add(machine)
        assert machine.stop() == 0
        (machine.home / "library.json").write_bytes(b"not what it was")
        machine.launch()
        status = json.loads(machine._first_line())  # of whichever serves
        assert status["http"].endswith("/l/ben")
        machine.url = status["http"].removesuffix("/l/ben")
        looks = (state_of(machine, "") for _ in range(500))  # it is tried again now and then
        assert "failed" in looks
        ben.url = status["http"]
        assert ben.status()["library"]["name"] == "ben"
        assert machine._client.get(f"{machine.url}/api/v1/status").status_code == 503
        assert photonic(ben.home, "--json", "status").returncode == 0
        assert machine.stop() == 0


def test_a_library_whose_port_is_taken_waits_for_it(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (machine,), socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        machine.start()
        section(machine.home, listen=[f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"])
        refused = photonic(machine.home, "library", "add", "ben", check=False)
        assert refused.returncode == 83 and "listens" in refused.stderr
        assert state_of(machine) == "failed"
        with uncut(machine):
            port = taken.getsockname()[1]
            taken.close()
            machine.wait_until(lambda: state_of(machine) == "serving")
        assert f"/tcp/{port}/" in tenant(machine).listen[0]


def test_a_full_library_pauses_and_the_other_takes_in(tmp_path: Path) -> None:
    folder = raw_files(tmp_path / "card", 6)
    with daemons(tmp_path / "studio") as (machine,):
        section(machine.home, quota_bytes=QUOTA_BYTES)
        machine.start()
        ben = add(machine)
        photonic(ben.home, "import", str(folder), check=False)
        problem = {p["code"]: p for p in ben.status()["problems"]}["blobs.store-full"]
        assert f"{QUOTA_BYTES:,}" in problem["message"] and "quota_bytes" in problem["fix"]
        assert ben.status()["node"]["state"] == "error"
        # One that was refused while others were copied finds its room at the next try.
        ben.wait_until(lambda: bool(ben.status()["holdings"]["held"] == 4), 30)
        assert used_bytes(ben.home) <= QUOTA_BYTES
        photonic(machine.home, "import", str(folder), check=False)
        assert machine.status()["holdings"]["held"] == 6
        assert "blobs.store-full" not in {p["code"] for p in machine.status()["problems"]}
        # Its section is read again when it is served again; the other one goes on meanwhile.
        with uncut(machine):
            section(machine.home, quota_bytes=2 * QUOTA_BYTES)
            photonic(machine.home, "library", "remove", "ben")
            photonic(machine.home, "library", "add", "ben")
            photonic(ben.home, "import", str(folder), check=False)
        # What was refused before is tried again by itself, too, and then that may bring it.
        ben.wait_until(lambda: bool(ben.status()["holdings"]["held"] == 6), 30)
        assert ben.status()["node"]["state"] != "error"


def test_fetching_pauses_at_the_quota_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    folder = raw_files(tmp_path / "card", 6)
    with daemons(tmp_path / "holder", tmp_path / "studio") as (holder, machine):
        holder.start()
        photonic(holder.home, "import", str(folder), check=False)
        section(machine.home, quota_bytes=QUOTA_BYTES, peers=[holder.listen[0]])
        machine.start()
        code = photonic(holder.home, "invite", "--role", "central").stdout.strip()
        photonic(machine.home, "library", "join", "ben", code)
        ben = tenant(machine)

        def is_full() -> bool:
            return "blobs.store-full" in {p["code"] for p in ben.status()["problems"]}

        ben.wait_until(is_full, 60)
        assert ben.status()["node"]["state"] == "error"
        ben.wait_until(lambda: ben.status()["holdings"]["held"] > 0, 30)
        assert ben.status()["holdings"]["held"] < 6
        assert used_bytes(ben.home) <= QUOTA_BYTES
        section(machine.home, quota_bytes=2 * QUOTA_BYTES, peers=[holder.listen[0]])
        photonic(machine.home, "library", "remove", "ben")
        photonic(machine.home, "library", "add", "ben")
        ben.wait_until(lambda: ben.status()["holdings"]["held"] == 6, 60)
        assert used_bytes(ben.home) <= 2 * QUOTA_BYTES


def test_one_library_goes_on_as_a_member_elsewhere_and_the_other_notices_nothing(
    tmp_path: Path,
) -> None:
    with daemons(tmp_path / "elsewhere", tmp_path / "studio") as (elsewhere, machine):
        elsewhere.start("--library-name", "Elsewhere")
        machine.start()
        ben = add(machine)
        before = machine.status()["library"]
        code = photonic(elsewhere.home, "invite", "--role", "archive").stdout.strip()
        with uncut(machine):
            answer = ben.send("POST", "/join", {"code": code})
            assert answer["name"] == "Elsewhere"
            elsewhere.wait_until(lambda: elsewhere.status()["peers"] == 1)
        assert ben.status()["library"]["name"] == "Elsewhere"
        assert machine.status()["library"] == before
        assert [one["library"] for one in listed(machine).values()] == ["Photos", "Elsewhere"]


def test_the_process_that_moves_one_librarys_files_dies_alone(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (machine,):
        machine.start()
        add(machine)
        assert machine.process is not None
        pid = machine.process.pid
        machine.wait_until(lambda: len(carriers(pid)) == 2)
        victim = carriers(pid)[-1]
        with uncut(machine):
            os.kill(victim, 9)
            machine.wait_until(lambda: len(carriers(pid)) == 2 and victim not in carriers(pid))


def carriers(pid: int) -> list[int]:
    children = [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]
    found = []
    for child in children:
        with suppress(FileNotFoundError):  # it has ended since
            if b"photonic.p2p.carrier" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def test_two_daemons_do_not_serve_one_home(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (machine,):
        machine.start()
        add(machine)
        second = photonic(machine.home, "node", "--http", "127.0.0.1:0", check=False)
        assert second.returncode == 12
        assert "in use" in second.stderr
        alone = photonic(machine.home / "tenants/ben", "node", "--http", "127.0.0.1:0", check=False)
        assert alone.returncode == 12


def test_deleting_needs_the_name_typed(tmp_path: Path) -> None:
    with daemons(tmp_path / "studio") as (machine,):
        machine.start()
        ben = add(machine)
        words = ("library", "remove", "ben", "--delete-everything")
        refused = photonic(machine.home, *words, check=False)
        assert refused.returncode == 113
        assert state_of(machine) == "serving"
        assert (ben.home / "library.json").exists()
        photonic(machine.home, "library", "remove", "ben")
        assert (ben.home / "library.json").exists()
        assert state_of(machine) is None
