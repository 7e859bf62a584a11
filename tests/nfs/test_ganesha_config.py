"""What Ganesha is told is what was meant, and what it could not read is never written."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.errors import ExportRuleInvalid
from photonic.nfs import ganesha_config
from photonic.nfs.exporter import Export, User
from photonic.nfs.ganesha_config import GaneshaPlace, check, config_of, parse, ready_name
from photonic.nfs.kernel import exports_of
from photonic.nfs.rules import parse_rules

PLACE = GaneshaPlace("0.0.0.0", 2049, Path("/home/state"), Path("/home/ready"))
RULES = parse_rules(["10.0.0.7 rw", "10.0.0.0/8 ro", "fd00::/8 ro"])


def export(folder: str = "/srv/photos") -> Export:
    return Export(Path(folder), RULES, User(65_534, 65_534))


def test_a_configuration_says_who_may_do_what() -> None:
    blocks = parse(config_of(export(), PLACE, 7))
    tree, ready = (block for block in blocks if block.name == "EXPORT")
    clients = [one.values for one in tree.blocks if one.name == "CLIENT"]
    assert clients == [
        {"Clients": "10.0.0.7", "Access_Type": "RW"},
        {"Clients": "10.0.0.0/8", "Access_Type": "RO"},
        {"Clients": "fd00::/8", "Access_Type": "RO"},
    ]
    assert tree.values["Access_Type"] == "NONE" and tree.values["Squash"] == "All_Squash"
    assert ready.values["Pseudo"] == f"/{ready_name(7)}"
    assert [one.values["Clients"] for one in ready.blocks if one.name == "CLIENT"] == ["127.0.0.1"]


@given(st.text(max_size=40))
def test_a_folder_whatever_its_name_is_told_as_it_is_or_refused(name: str) -> None:
    asked = export(f"/srv/{name}")
    try:
        blocks = parse(config_of(asked, PLACE, 1))
    except ExportRuleInvalid:
        return
    assert str(asked.folder) in [b.values.get("Path") for b in blocks]
    assert len([b for b in blocks if b.name == "EXPORT"]) == 2


@pytest.mark.parametrize(
    "broken",
    [
        "EXPORT { Export_Id = 1; ",
        "EXPORT { Export_Id = ; }",
        "EXPORT { Export_Id 1; }",
        "EXPORT { Export_Id = 1 }",
        "EXPORT } ",
        "Export_Id = 1;",
        'EXPORT { Path = "/a; }',
        "EXPORT { A = 1; A = 2; }",
        "} EXPORT {",
    ],
)
def test_what_ganesha_could_not_read_is_refused(broken: str) -> None:
    with pytest.raises(ExportRuleInvalid):
        parse(broken)


@given(st.data())
def test_a_configuration_that_was_cut_or_altered_is_refused_or_says_the_same(
    data: st.DataObject,
) -> None:
    text = config_of(export(), PLACE, 7)
    at = data.draw(st.integers(0, len(text) - 1))
    altered = text[:at] + data.draw(st.sampled_from(["", "}", "{", ";", '"', "x"])) + text[at + 1 :]
    try:
        check(altered, export())
    except (ExportRuleInvalid, ValueError, KeyError):
        return
    tree = next(b for b in parse(altered) if b.values.get("Pseudo") == "/photos")
    assert [one.values.get("Access_Type") for one in tree.blocks if one.name == "CLIENT"] == [
        "RW", "RO", "RO",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        "CLIENT { Clients = *; Access_Type = RW; }\n",
        "CLIENT { Clients = 10.0.0.7; Access_Type = RW; }}\n",
        "",
    ],
)
def test_what_would_be_written_wrongly_is_not_written(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(ganesha_config, "_client", lambda _: said)
    with pytest.raises(ExportRuleInvalid):
        config_of(export(), PLACE, 1)


def test_the_kernels_line_squashes_everybody_and_keeps_its_number() -> None:
    comment, line = exports_of(export()).splitlines()
    assert comment.startswith("#")
    assert line.startswith("/srv/photos 10.0.0.7(rw,all_squash,anonuid=65534,anongid=65534,")
    assert "10.0.0.0/8(ro,all_squash" in line and line.count("fsid=") == 3
    assert exports_of(export()) == exports_of(export())
    with pytest.raises(ExportRuleInvalid):
        exports_of(export("/srv/my photos"))
