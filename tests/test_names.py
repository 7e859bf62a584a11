"""Names from others: whatever they are, nothing is written outside, and no terminal obeys."""

from __future__ import annotations

import io
import logging
import os
import unicodedata
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photonic import limits
from photonic.api.media import content_disposition
from photonic.bundle import HEADER, Bundle, Header
from photonic.bundle_writer import begun
from photonic.cli.output import clean
from photonic.errors import ExportInvalid, ExportUnwritable
from photonic.ingest.companions import FolderSidecars
from photonic.logs import set_up_logs
from photonic.names import download_name, part, path_below, visible
from tests.test_logs import root_as_before

__all__ = ["root_as_before"]

TRICKS = (
    "..", ".", "", "/", "//", "../../etc/passwd", "/etc/passwd", "a/../../b", "..\\..\\x",
    "C:\\Windows\\x", "C:x", "\\\\host\\share", "a\0b", "\0", "a\nb", "a\r\nb",
    "\x1b[2J\x1b]0;x\x07",
    "\u202egpj.exe", "a\u2066b", "-rf", "--help", "-", "~root", "$(reboot)", "`id`", "a;b", "a|b",
    "x" * 300, "\u00e9" * 300, "\U0001f4f7" * 100, "CON", "con.jpg", "NUL.tar.gz", "COM1",
    "lpt9.txt",
    "aux .jpg", "dots...", "space ", " lead", "e\u0301", "\u00e9", "\ud800", "a\ud800b", "\ufffe",
    "\u2028", "a.xmp", "a.XMP/b", "%2e%2e%2f", "%00", "\"quoted\"", "'", "a:b", "a:$DATA",
    "d/" * 2_000 + "x", "/".join(["y" * 190] * 31),
)  # fmt: skip
names = st.one_of(st.sampled_from(TRICKS), st.text(max_size=300), st.text("./\\-\0:~ a\u202e"))
OBEYED = {"Cc", "Cs", "Zl", "Zp"}


def is_quiet(text: str) -> bool:
    """Whether a terminal shows it, on one line, from left to right."""
    turning = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    return not any(unicodedata.category(one) in OBEYED or one in turning for one in text)


@given(names)
@settings(max_examples=500)
def test_a_part_is_one_name_on_every_file_system(text: str) -> None:
    made = part(text)
    assert made not in ("", ".", "..") and not set(made) & set('/\\:*?"<>|\0')
    assert PurePosixPath(made).name == made and len(made.encode()) <= limits.EXPORT_NAME_BYTES_MAX
    assert is_quiet(made) and not made.startswith("-") and not made.endswith((".", " "))
    assert not PureWindowsPath(made).is_reserved()
    assert part(made) == made, "what is harmless is left alone"


def test_twins_of_one_spelling_are_one_name() -> None:
    assert part("e\u0301te\u0301") == part("\u00e9t\u00e9") == "\u00e9t\u00e9"
    assert part("写真 2024 (copy) 📷") == "写真 2024 (copy) 📷"


@given(names, names)
@settings(max_examples=500)
def test_a_path_leads_down_and_is_short_enough(folder: str, name: str) -> None:
    path = path_below(folder, name)
    assert not path.is_absolute() and ".." not in path.parts
    assert os.path.normpath(Path("/base") / path).startswith("/base/")
    assert len(path.parts) <= limits.PATH_PARTS_MAX + 1
    assert len(os.fsencode(path)) <= limits.PATH_BYTES_MAX + limits.EXPORT_NAME_BYTES_MAX + 1


@given(st.lists(st.tuples(names, names), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_an_export_writes_below_itself_whatever_peers_call_things(
    tmp_path_factory: pytest.TempPathFactory, given_: list[tuple[str, str]]
) -> None:
    base = tmp_path_factory.mktemp("base")
    target = base / "inside" / "export"
    with begun(target) as writer:
        for number, (folder, name) in enumerate(given_):
            writer.write_sidecar(folder, name, f"{number:064x}", b"<x/>")
        writer.finish(
            Header(
                format=1, library="00" * 16, library_name="\u202e..", node="n", node_name="../x",
                exported="2024", counts={}, files=(),
            )
        )  # fmt: skip
    assert [one.name for one in base.iterdir()] == ["inside"]
    assert [one.name for one in (base / "inside").iterdir()] == ["export"]
    written = [one for one in target.rglob("*") if one.is_file() and one.suffix == ".xmp"]
    assert len(written) == len(given_)


def test_an_export_follows_no_link_at_its_target(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = tmp_path / "export"
    target.symlink_to(elsewhere, target_is_directory=True)
    header = Header(format=1, library="", library_name="", node="", node_name="", exported="",
                    counts={}, files=())  # fmt: skip
    with begun(target) as writer:
        writer.write_sidecar("a", "b", "0" * 64, b"<x/>")
        with pytest.raises(ExportUnwritable):
            writer.finish(header)
    assert not list(elsewhere.iterdir()) and target.is_symlink()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["elsewhere", "export"]


@pytest.mark.parametrize(
    "name", ["../photos-0001.jsonl", "/etc/passwd", "photos-0001.jsonl/..", "x"]
)
def test_a_bundle_that_names_files_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    header = Header(format=1, library="00" * 16, library_name="", node="", node_name="",
                    exported="", counts={}, files=(name,))  # fmt: skip
    (tmp_path / HEADER).write_bytes(msgspec.json.encode(header))
    with pytest.raises(ExportInvalid, match="no file of an export"):
        Bundle(tmp_path)


def test_links_and_pipes_in_a_bundle_are_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("{}")
    there = tmp_path / "bundle"
    there.mkdir()
    (there / HEADER).symlink_to(secret)
    with pytest.raises(ExportInvalid, match="is a link"):
        Bundle(there)
    (there / HEADER).unlink()
    os.mkfifo(there / HEADER)  # would be waited for for ever
    with pytest.raises(ExportInvalid, match="is no file"):
        Bundle(there)


def test_a_sidecar_that_is_a_link_is_not_taken_in(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("secret")
    card = tmp_path / "card"
    card.mkdir()
    photo = card / "a.jpg"
    photo.write_bytes(b"x")
    (card / "a.jpg.xmp").symlink_to(key)
    os.mkfifo(card / "a.xmp")
    assert FolderSidecars([card]).beside(photo) == []
    (card / "a_01.jpg.xmp").write_text("<x/>")
    assert [one.name for one in FolderSidecars([card]).beside(photo)] == ["a_01.jpg.xmp"]


@given(names)
@settings(max_examples=300)
def test_terminals_are_not_attacked(text: str) -> None:
    assert is_quiet(visible(text)) and clean(text) == visible(text)
    assert visible("写真 é 📷 ~x") == "写真 é 📷 ~x"


@given(names, st.sampled_from(["image/jpeg", "text/html"]))
@settings(max_examples=300)
def test_a_download_has_a_harmless_name(text: str, kind: str) -> None:
    header = content_disposition(text, kind)
    assert header.isascii() and header.isprintable()
    exact = unquote(header.partition("filename*=UTF-8''")[2], errors="strict")
    assert is_quiet(exact) and not set(exact) & set('/\\:"<>|') and exact not in ("", ".", "..")
    assert not exact.startswith(".") and len(exact.encode()) <= limits.EXPORT_NAME_BYTES_MAX
    plain = header.split('"')[1]
    assert plain and not set(plain) & set("/\\%")


def test_a_download_keeps_an_ordinary_name() -> None:
    for name in ("IMG_0001.jpg", "été 写真 📷.jpg", "e\u0301te\u0301.jpg", "a (1).CR3"):
        assert download_name(name) == name


@given(text=names)
@settings(max_examples=60, deadline=None)
def test_a_log_on_a_terminal_shows_names_and_obeys_none(text: str) -> None:
    stream = io.StringIO()
    set_up_logs(level="info", style="console", file=None, stream=stream)
    log = logging.getLogger("photonic.names")
    log.warning("cannot read %s", text)
    try:
        raise ValueError(text)
    except ValueError:
        log.exception("failed with %s", text, extra={"path": Path("a" + text.replace("\0", ""))})
    told = stream.getvalue()
    assert all(is_quiet(line) for line in told.split("\n"))
    assert told.split("\n")[1].startswith(("2", "\x1b")) or "failed with" in told.split("\n")[1]
