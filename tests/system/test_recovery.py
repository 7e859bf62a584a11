"""The recovery kit: losing every admin's machine does not lose the library."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from simulations.daemons import READY_WITHIN_S, Daemon, daemons, join, photonic


def picture(folder: Path, name: str, shade: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (320, 240), (shade, 90, 200 - shade)).save(folder / name, quality=90)
    return folder


def kit_of(node: Daemon) -> str:
    return str(json.loads(photonic(node.home, "--json", "recovery-kit").stdout)["kit"])


def take_in(node: Daemon, folder: Path) -> None:
    photonic(node.home, "import", str(folder))


def test_losing_the_only_admin_machine_does_not_lose_the_library(tmp_path: Path) -> None:
    with daemons(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (first, second, third):
        first.start()
        kit = kit_of(first)
        take_in(first, picture(tmp_path / "card", "one.jpg", 10))
        join(first, second)
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: second.status()["holdings"]["held"] == 1)
        library = first.status()["library"]
        first.kill()  # for good
        refused = photonic(second.home, "invite", check=False)
        assert "members.admin" in refused.stderr
        told = photonic(
            third.home, "--json", "recover", kit, "--no-discovery", "--peer", second.listen[0]
        )
        assert json.loads(told.stdout)["told"] == 1
        third.start("--peer", second.listen[0])
        third.wait_until(lambda: third.status()["holdings"]["held"] == 1)
        assert third.status()["library"] == library
        assert second.photos().keys() == third.photos().keys() != set()
        code = photonic(third.home, "invite").stdout.strip()  # it is an admin
        assert code.startswith("photonic-")
        written = [one["act"] for one in second.get("/audit", limit=200)["items"]]
        assert written.count("library.recovered") == 1
        assert "member.refused" not in written, "it ended well"


def test_a_library_of_which_nothing_is_left_begins_again_and_takes_in_what_returns(
    tmp_path: Path,
) -> None:
    with daemons(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (first, second, _):
        first.start()
        kit = kit_of(first)
        take_in(first, picture(tmp_path / "card", "one.jpg", 10))
        library = first.status()["library"]["id"]
        first.stop()
        refused = photonic(second.home, "recover", kit, "--no-discovery", check=False)
        assert refused.returncode != 0 and "--alone" in refused.stderr
        assert not (second.home / "library.json").exists()
        photonic(second.home, "recover", kit, "--no-discovery", "--alone")
        second.start()
        assert second.status()["library"]["id"] == library
        assert second.photos() == {}
        second.stop()
        first.start()  # it was not lost after all
        photonic(second.home, "recover", kit, "--no-discovery", "--peer", first.listen[0])
        second.start("--peer", first.listen[0])
        second.wait_until(lambda: second.status()["holdings"]["held"] == 1)
        assert len(second.photos()) == 1


def test_an_admin_that_a_thief_shut_out_comes_back_with_the_kit_and_shuts_the_thief_out(
    tmp_path: Path,
) -> None:
    """The thief has the machine that founded the library, whose word counts before others'."""
    names = ("laptop", "studio", "archive")
    with daemons(*(tmp_path / name for name in names)) as (laptop, studio, archive):
        laptop.start("--name", "laptop")
        kit = kit_of(laptop)
        join(laptop, studio)
        join(laptop, archive)
        studio.start("--name", "studio", "--peer", laptop.listen[0])
        archive.start("--name", "archive", "--peer", laptop.listen[0], "--peer", studio.listen[0])
        archive.wait_until(lambda: archive.status()["peers"] == 2)
        photonic(laptop.home, "member", "admin", "studio")
        (laptop.home / "keys").joinpath(f"library-{laptop.status()['library']['id']}").unlink()
        photonic(laptop.home, "revoke", "studio", "--yes")
        archive.wait_until(lambda: archive.status()["peers"] == 1)
        studio.stop()
        photonic(studio.home, "recover", kit, "--no-discovery", "--peer", archive.listen[0])
        studio.start("--name", "studio", "--peer", archive.listen[0])
        archive.wait_until(lambda: archive.status()["peers"] == 2)
        photonic(studio.home, "revoke", "laptop", "--yes")
        archive.wait_until(lambda: archive.status()["peers"] == 1)
        members = {one["name"]: one for one in archive.get("/members")["items"]}
        assert members["laptop"]["revoked"] and not members["studio"]["revoked"]
        refused = photonic(laptop.home, "revoke", "studio", "--yes", check=False)
        assert refused.returncode != 0


def test_the_kit_of_another_library_is_let_in_nowhere(tmp_path: Path) -> None:
    with daemons(tmp_path / "a", tmp_path / "b", tmp_path / "c") as (ours, theirs, third):
        ours.start()
        theirs.start()
        kit = kit_of(theirs)
        refused = photonic(
            third.home, "recover", kit, "--no-discovery", "--peer", ours.listen[0], check=False
        )
        assert refused.returncode != 0 and "no member" in refused.stderr
        assert len(ours.get("/members")["items"]) == 1


def test_the_key_is_forgotten_only_when_a_line_was_typed_back(tmp_path: Path) -> None:
    home = tmp_path / "a"
    photonic(home, "init")
    page = photonic(home, "recovery-kit").stdout
    keys = list((home / "keys").glob("library-*"))
    assert keys and "RECOVERY KIT" in page
    for typed, is_right in (("ABCDE", False), (page, True)):
        command = [sys.executable, "-m", "photonic", "--home", str(home)]
        asking = subprocess.Popen(
            [*command, "recovery-kit", "--forget-key"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert asking.stderr is not None
        asked = ""
        while "from the paper: " not in asked:
            asked += asking.stderr.read(1)
        number = asked.partition("Type line ")[2].split()[0]
        line = next((x for x in typed.splitlines() if x.strip().startswith(f"{number}.")), typed)
        asking.communicate(line + "\n", timeout=READY_WITHIN_S)
        assert (asking.returncode == 0) is is_right
        assert keys[0].exists() is not is_right
    gone = photonic(home, "recovery-kit", check=False)
    assert "not on this machine" in gone.stderr
