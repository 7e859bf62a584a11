"""The kernel's server gets one file, and what it does not take is put back.

There is no such server where the tests run, so a program stands for `exportfs`: it lists what lies
in the folder, as the real one does, or refuses.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from photonic.errors import ExporterMissing, ExporterRights, ExporterSilent, ExportRuleInvalid
from photonic.nfs.exporter import Export, User
from photonic.nfs.kernel import KernelServer
from photonic.nfs.rules import parse_rules
from photonic.world import World

EXPORTFS = """#!/bin/sh
echo "$1" >> "{folder}/calls"
[ "$1" = -ra ] && cat "{folder}"/d/*.exports > "{folder}/taken" && exit 0
grep -v '#' "{folder}/taken" | {lists}
"""


class Machine:
    """A folder that stands for /etc, and a program in the PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.file = folder, folder / "d/photonic.exports"
        (folder / "bin").mkdir()
        self.file.parent.mkdir()
        monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        self.lists("cat")
        rules = parse_rules(["10.0.0.0/8 ro", "10.0.0.7 rw"])
        self.export = Export(Path("/srv/tree"), rules, User(65_534, 65_534))
        self.server = KernelServer(self.file, self.export, World().files, lambda _: None)

    def lists(self, how: str) -> None:
        program = self.folder / "bin/exportfs"
        program.write_text(EXPORTFS.format(folder=self.folder, lists=how))
        program.chmod(0o755)

    def apply(self, export: Export) -> None:
        trio.run(self.server.apply, export)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def told(machine: Machine) -> str:
    """Return what the program lists of one client, each in a line as exportfs does."""
    return machine.file.read_text()


def test_rules_are_written_and_looked_for(machine: Machine) -> None:
    machine.lists("sed -E 's/ ([0-9])/\\n\\/srv\\/tree \\1/g'")
    machine.apply(machine.export)
    assert "/srv/tree 10.0.0.0/8(ro,all_squash" in told(machine)
    assert (machine.folder / "calls").read_text().split() == ["-ra", "-v"]
    assert machine.server.state.state == "serving"


def test_what_it_does_not_list_is_put_back(machine: Machine) -> None:
    machine.lists("sed -E 's/ ([0-9])/\\n\\/srv\\/tree \\1/g'")
    machine.apply(machine.export)
    before = told(machine)
    machine.lists("true")
    with pytest.raises(ExporterSilent, match="does not list"):
        machine.apply(replace(machine.export, rules=parse_rules(["10.0.0.9 rw"])))
    assert told(machine) == before == (machine.folder / "taken").read_text()
    assert machine.server.export == machine.export


def test_a_folder_that_it_cannot_name_is_refused_before_anything_is_written(
    machine: Machine,
) -> None:
    with pytest.raises(ExportRuleInvalid):
        machine.apply(replace(machine.export, folder=Path("/srv/my photos")))
    assert not machine.file.exists()


def test_without_rights_or_the_program_it_is_told(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = KernelServer(
        machine.folder / "calls" / "x.exports", machine.export, World().files, lambda _: None
    )
    (machine.folder / "calls").write_text("no folder")
    with pytest.raises(ExporterRights):
        trio.run(gone.apply, machine.export)
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(ExporterMissing):
        machine.apply(machine.export)
    assert not machine.file.exists(), "nothing is left that nobody applied"
