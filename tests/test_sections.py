"""Settings of further libraries: their own, those of the first, and what is none of theirs."""

from __future__ import annotations

from pathlib import Path

import pytest

from photonic import limits
from photonic.config import Settings
from photonic.errors import ConfigInvalid
from photonic.home import SETTINGS_FILE
from photonic.lodging import Lodging
from photonic.sections import ALLOWED, INHERITED, OWN, load_first, load_tenant, settle


def write(home: Path, text: str) -> None:
    (home / SETTINGS_FILE).write_text(text, encoding="utf-8")


def lodging(home: Path, name: str = "clients", slot: int = 1) -> Lodging:
    return Lodging(name, home / "tenants" / name, slot)


def problems(home: Path, text: str) -> list[str]:
    write(home, text)
    with pytest.raises(ConfigInvalid) as refused:
        load_first({"home": home}, {})
    return list(refused.value.problems)


def test_without_a_section_a_library_has_a_home_ports_and_folders_of_its_own(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        "watch: [a]\nquota_bytes: 50000000\nrole: archive\nmin_copies: 3\nname: studio\n"
        "peers: [/ip4/10.0.0.1/tcp/1/p2p/12D3KooWGRUxSFBrDQLcXQ3DHgC6vGrYVcCoJ3RoVmA2bUYmAZDQ]\n",
    )
    first = load_first({"home": tmp_path}, {})
    own = load_tenant({"home": tmp_path}, lodging(tmp_path, slot=2), {})
    assert own.home == tmp_path / "tenants/clients"
    assert (own.role, own.watch, own.peers, own.quota_bytes, own.join) == (None, (), (), None, None)
    assert own.listen == ("/ip4/0.0.0.0/tcp/4314",) and first.listen == ("/ip4/0.0.0.0/tcp/4310",)
    assert own.library_name == "clients"
    assert (own.min_copies, own.name, own.http) == (3, "studio", first.http)
    assert own.workers == 1


def test_its_section_says_what_is_different(tmp_path: Path) -> None:
    write(
        tmp_path,
        "trash_days: 9\nlibraries:\n  clients:\n    watch: [in]\n    quota_bytes: 40000000\n"
        "    listen: [/ip4/127.0.0.1/tcp/0]\n    limit_out: 2MB/s\n  others:\n",
    )
    own = load_tenant({"home": tmp_path}, lodging(tmp_path), {})
    assert own.watch == (tmp_path / "in",), "a path counts from the home of the daemon"
    assert (own.quota_bytes, own.trash_days, own.limit_out) == (40_000_000, 9, "2MB/s")
    assert own.listen == ("/ip4/127.0.0.1/tcp/0",)
    first = load_first({"home": tmp_path}, {})
    assert (first.watch, first.quota_bytes, first.limit_out) == ((), None, "full")


def test_flags_and_environment_are_the_first_librarys(tmp_path: Path) -> None:
    flags = {"home": tmp_path, "role": "mobile", "watch": ["x"], "listen": ["/ip4/0.0.0.0/tcp/0"]}
    own = load_tenant(flags, lodging(tmp_path), {"PHOTONIC_QUOTA_BYTES": "99000000"})
    assert (own.role, own.watch, own.quota_bytes) == (None, (), None)
    assert own.listen == ("/ip4/0.0.0.0/tcp/0",), "any free port stays any free port"


def test_all_problems_of_all_sections_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    told = problems(
        tmp_path,
        "roll: x\nlibraries:\n  clients:\n    quota_bytes: 1\n    quota_byte: 1\n    http: x\n"
        "  Bad/Name: {}\n  other: 7\n",
    )
    assert len(told) == 6
    text = "\n".join(told)
    path = tmp_path / SETTINGS_FILE
    assert f"quota_bytes: Input should be greater than or equal to {limits.QUOTA_BYTES_MIN}" in text
    assert f"did you mean quota_bytes? ({path}, libraries.clients)" in text
    assert "http: it holds for the daemon and all of its libraries" in text
    assert "roll: there is no such setting; did you mean role?" in text
    assert "'Bad/Name' cannot be the name" in text
    assert "libraries.other: expected lines" in text
    assert "libraries: expected a section" in problems(tmp_path, "libraries: [a]\n")[0]


def test_processes_that_read_photos_are_bounded_over_all_libraries(tmp_path: Path) -> None:
    told = problems(
        tmp_path, f"workers: {limits.WORKERS_MAX - 1}\nlibraries:\n  clients: {{workers: 2}}\n"
    )
    assert "over all libraries" in told[0]


def test_each_setting_is_the_daemons_or_inherited_or_a_librarys_own() -> None:
    """A new setting must say which it is: to be shared by accident is to leak."""
    the_daemons = {"home", "http", "log_level", "log_format", "http_local_token", "passphrase_fd"}
    the_daemons |= {"https", "https_names", "https_certificate", "https_key"}
    placed = the_daemons | set(OWN) | set(INHERITED) | {"library_name", "listen", "lane_port"}
    assert set(Settings.model_fields) == placed
    assert not ALLOWED & the_daemons


def test_ports_of_all_slots_are_distinct(tmp_path: Path) -> None:
    first = load_first({"home": tmp_path}, {})
    found = [settle(first, lodging(tmp_path, slot=slot), {}).listen for slot in range(1, 8)]
    ports = [int(addresses[0].rsplit("/", 1)[1]) for addresses in found]
    lanes = [port + 1 for port in ports]
    assert len({4310, 4311, *ports, *lanes}) == 2 * len(ports) + 2
