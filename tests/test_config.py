"""Settings: three layers, all problems at once with their place, and a page that says the same."""

from __future__ import annotations

import inspect
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from photonic.addresses import check_listen_address, check_peer_address, parse_http_address
from photonic.cli.node import run as node_verb
from photonic.config import Settings, flag_of, load_settings
from photonic.errors import ConfigInvalid
from photonic.home import SETTINGS_FILE
from photonic.p2p.rates import Bandwidth
from tests.docs import cli_page, settings_page
from tests.source import ROOT

PEER = "12D3KooWGRUxSFBrDQLcXQ3DHgC6vGrYVcCoJ3RoVmA2bUYmAZDQ"


def write(home: Path, text: str) -> None:
    (home / SETTINGS_FILE).write_text(text, encoding="utf-8")


def load(home: Path, environ: dict[str, str] | None = None, **flags: object) -> Settings:
    return load_settings({"home": home, **flags}, environ or {})


def problems(home: Path, environ: dict[str, str] | None = None, **flags: object) -> list[str]:
    with pytest.raises(ConfigInvalid) as failure:
        load(home, environ, **flags)
    return list(failure.value.problems)


def test_defaults_need_no_file(tmp_path: Path) -> None:
    settings = load(tmp_path / "absent")
    assert settings.http == "127.0.0.1:8640"
    assert settings.listen == ("/ip4/0.0.0.0/tcp/4310",)
    assert settings.role is None
    assert settings.discovery
    assert 1 <= settings.workers <= 4


def test_the_port_of_lanes(tmp_path: Path) -> None:
    assert load(tmp_path).lane_port is None
    assert load(tmp_path, {"PHOTONIC_LANE_PORT": "0"}).lane_port == 0
    assert load(tmp_path, lane_port=5000).lane_port == 5000
    for wrong in (-1, 65_536, "port"):
        (problem,) = problems(tmp_path, lane_port=wrong)
        assert "lane_port" in problem and "--lane-port" in problem


def test_the_later_layer_wins(tmp_path: Path) -> None:
    write(tmp_path, "role: mobile\nname: file\nlibrary_name: file\n")
    settings = load(
        tmp_path, {"PHOTONIC_NAME": "environment", "PHOTONIC_ROLE": "archive"}, role="central"
    )
    assert (settings.role, settings.name, settings.library_name) == (
        "central",
        "environment",
        "file",
    )


def test_a_flag_that_is_not_given_hides_nothing(tmp_path: Path) -> None:
    write(tmp_path, "watch: [/cards]\nhttp: 127.0.0.1:1\n")
    settings = load(tmp_path, watch=[], http=None, discovery=None)
    assert settings.watch == (Path("/cards"),)
    assert settings.http_port == 1


def test_all_problems_are_told_at_once_each_with_its_place(tmp_path: Path) -> None:
    write(tmp_path, "rol: central\nworkers: 0\n")
    file = str(tmp_path / SETTINGS_FILE)
    told = problems(
        tmp_path,
        {"PHOTONIC_LISTENS": "x", "PHOTONIC_DISCOVERY": "perhaps", "UNRELATED": "1"},
        http="0.0.0.0:80",
        peers=["/ip4/1.2.3.4/tcp/5"],
    )
    places = [(one.split(":")[0], one[one.rindex("(") + 1 : -1]) for one in told]
    assert sorted(places) == sorted(
        [
            ("rol", file),
            ("workers", file),
            ("listens", "environment PHOTONIC_LISTENS"),
            ("discovery", "environment PHOTONIC_DISCOVERY"),
            ("http", "flag --http"),
            ("peers[0]", "flag --peer"),
        ]
    )
    assert "did you mean role?" in told[0] + told[1]


def test_a_bad_value_counts_also_where_a_later_layer_covers_it(tmp_path: Path) -> None:
    write(tmp_path, "role: boss\n")
    assert len(problems(tmp_path, role="central")) == 1


@pytest.mark.parametrize(
    "text", ["- a list", "role: [unclosed", "just words", "role: central\nrole: mobile\n", "\x00"]
)
def test_a_file_that_is_no_settings_is_named(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    (told,) = problems(tmp_path)
    assert told.startswith(str(tmp_path / SETTINGS_FILE))


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    write(tmp_path, "# nothing yet\n")
    assert load(tmp_path).role is None


def test_the_home_is_not_set_in_its_own_file(tmp_path: Path) -> None:
    write(tmp_path, "home: /elsewhere\n")
    assert problems(tmp_path)[0].startswith("home:")


def test_relative_folders_count_from_home_in_the_file_and_from_here_in_flags(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, here = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    here.mkdir()
    monkeypatch.chdir(here)
    write(home, "watch: [cards]\n")
    assert load(home).watch == (home / "cards",)
    assert load(home, watch=["cards"]).watch == (here / "cards",)
    assert load(home, {"PHOTONIC_WATCH": "a, /b"}).watch == (here / "a", Path("/b"))


def test_settings_never_change_and_never_show_the_code(tmp_path: Path) -> None:
    settings = load(tmp_path, join="photonic-secret")
    assert settings.join == "photonic-secret"
    assert "photonic-secret" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.role = "mobile"


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("127.1.2.3:80", "127.1.2.3", 80),
        ("[::1]:65535", "::1", 65535),
        ("localhost:1", "localhost", 1),
    ],
)
def test_http_addresses_on_loopback_are_taken(text: str, host: str, port: int) -> None:
    assert parse_http_address(text) == (host, port)


@pytest.mark.parametrize(
    "text",
    ["", "127.0.0.1", ":80", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "0.0.0.0:1",
     "192.168.1.5:80", "::1:80", "example.org:80", "127.0.0.1:-1", "127.0.0.1:²"],
)  # fmt: skip
def test_other_http_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_http_address(text)


@pytest.mark.parametrize("text", ["/ip4/0.0.0.0/tcp/0", "/ip4/127.0.0.1/tcp/4310", "/ip6/::/tcp/1"])
def test_listen_addresses_are_taken(text: str) -> None:
    assert check_listen_address(text) == text


@pytest.mark.parametrize("kind", ["ip4/10.0.0.1", "ip6/fe80::1", "dns/yoda.local", "dns4/yoda"])
def test_peer_addresses_are_taken(kind: str) -> None:
    text = f"/{kind}/tcp/4310/p2p/{PEER}"
    assert check_peer_address(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1:4310", "/ip4/10.0.0.1/tcp/4310", f"/ip4/10.0.0.1/tcp/0/p2p/{PEER}",
     f"/ip4/::1/tcp/1/p2p/{PEER}", f"/dns/a b/tcp/1/p2p/{PEER}", "/ip4/10.0.0.1/tcp/1/p2p/Qm",
     f"/ip4/10.0.0.1/udp/1/p2p/{PEER}", f"/ip4/10.0.0.1/tcp/1/p2p/{PEER}/"],
)  # fmt: skip
def test_other_peer_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        check_peer_address(text)


@given(st.text())
def test_any_text_is_an_address_or_a_value_error(text: str) -> None:
    for parse in (parse_http_address, check_listen_address, check_peer_address):
        with suppress(ValueError):
            assert parse(text)


def test_limits_are_read_and_pointed_at_like_those_of_the_command_line(tmp_path: Path) -> None:
    write(tmp_path, "limit_in: 2MB/s\nlimit_schedule: 08:00-22:00 1MB/s, otherwise full\n")
    settings = load(tmp_path, {"PHOTONIC_LIMIT_PARALLEL": "4"}, limit_out="16Mbit/s")
    assert settings.bandwidth == Bandwidth(
        in_bytes_s=2_000_000,
        out_bytes_s=2_000_000,
        schedule="08:00-22:00 1MB/s, otherwise full",
        parallel=4,
    )
    told = problems(tmp_path, limit_in="2Mb/s", limit_schedule="08:00-25:00 1MB/s")
    assert ["bits or bytes" in told[0], "(character 7)" in told[1]] == [True, True]
    assert not any("\n" in one for one in told)


def test_the_page_says_what_the_code_says() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert page == settings_page(), "run `python -m tests.docs`"
    for key, field in Settings.model_fields.items():
        assert f"`{key}`" in page
        assert field.description


def test_the_command_line_page_says_what_the_verbs_say() -> None:
    page = (ROOT / "docs/cli.md").read_text(encoding="utf-8")
    assert page == cli_page(), "run `python -m tests.docs`"


def test_each_setting_has_its_flag_on_the_node() -> None:
    source = Path(inspect.getfile(node_verb)).read_text(encoding="utf-8")
    for key in set(Settings.model_fields) - {"home"}:
        assert f'"{flag_of(key)}"' in source
        assert f'"{key}":' in source
