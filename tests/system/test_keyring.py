"""Real daemons whose keys are under a passphrase that a keyring keeps: they start, or say why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from simulations.daemons import daemons, photonic
from tests.file_keyring import Drawer
from tests.system.two_libraries import add, listed, tenant

CODE, STATUS = "keys.keyring-unusable", 111


def checks(home: Path) -> dict[str, dict[str, object]]:
    told = photonic(home, "--json", "doctor", check=False)
    return {check["name"]: check for check in json.loads(told.stdout)["items"]}


def test_a_node_takes_its_passphrase_from_the_keyring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawer = Drawer(tmp_path / "keyring")
    drawer.for_processes(monkeypatch)
    with daemons(tmp_path / "home") as (node,):
        node.start()
        identity = node.status()["node"]["id"]
        shown = photonic(node.home, "keys")
        assert "(file)" in shown.stdout and "keys passphrase --keyring" in shown.stderr
        assert "keys passphrase --keyring" in str(checks(node.home)["keys"]["detail"])
        assert drawer.entries() == {}, "nothing is locked silently"
        told = photonic(node.home, "keys", "passphrase", "--keyring", check=False)
        assert told.returncode == 12, "its node runs"
        node.stop()
        seed = (node.home / "keys" / "node").read_bytes()

        told = photonic(node.home, "keys", "passphrase", "--keyring", "--show")
        ((name, paper),) = drawer.entries().items()
        assert paper in told.stdout and str(node.home) in name
        assert seed not in (node.home / "keys" / "node").read_bytes()
        node.start()
        assert node.status()["node"]["id"] == identity
        assert {one["kept"] for one in node.get("/keys")["files"]} == {"keyring"}
        shown = photonic(node.home, "keys")
        assert "(keyring)" in shown.stdout and "--keyring" not in shown.stderr
        assert paper not in shown.stdout + (node.home / "stderr.txt").read_text()
        assert checks(node.home)["keys"]["ok"] is True
        node.stop()

        drawer.lock()
        refused = photonic(node.home, "--json", "node", check=False)
        assert refused.returncode == STATUS and json.loads(refused.stderr)["code"] == CODE
        assert checks(node.home)["keys"]["ok"] is False
        (tmp_path / "paper").write_text(paper)
        node.start("--passphrase-command", f"cat {tmp_path / 'paper'}")
        assert node.status()["node"]["id"] == identity
        node.stop()
        drawer.unlock()

        told = photonic(node.home, "--json", "keys", "passphrase", "--keyring")
        ((renamed, other),) = drawer.entries().items()
        assert renamed != name and other != paper and other not in told.stdout
        old = ("--passphrase-command", f"cat {tmp_path / 'paper'}")
        assert photonic(node.home, "node", *old, check=False).returncode == 109
        photonic(node.home, "keys", "passphrase", "--remove")
        assert drawer.entries() == {}
        assert (node.home / "keys" / "node").read_bytes() == seed


def test_each_library_of_a_daemon_has_an_entry_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawer = Drawer(tmp_path / "keyring")
    drawer.for_processes(monkeypatch)

    def settle(state: str) -> dict[str, object]:
        node.wait_until(lambda: listed(node)["ben"]["state"] == state)
        return listed(node)["ben"]

    with daemons(tmp_path / "home") as (node,):
        node.start()
        add(node)
        node.stop()
        photonic(node.home, "keys", "passphrase", "--keyring")
        photonic(node.home, "--library", "ben", "keys", "passphrase", "--keyring")
        assert len(set(drawer.entries())) == len(set(drawer.entries().values())) == 2
        node.start()
        settle("serving")
        assert {one["kept"] for one in tenant(node).get("/keys")["files"]} == {"keyring"}
        node.stop()
        photonic(node.home, "keys", "passphrase", "--remove")
        assert len(drawer.entries()) == 1
        node.start()
        settle("serving")
        assert {one["kept"] for one in tenant(node).get("/keys")["files"]} == {"keyring"}
        node.stop()
        drawer.empty()
        node.start()
        assert CODE in str(settle("failed")), "and the first one serves"
