"""The recovery kit survives paper: it is read back as it was printed, and a slip is told."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.errors import KitInvalid
from photonic.identity import Identity
from photonic.ids import library_id
from photonic.recovery_kit import RecoveryKit, is_typed_back, parse_kit

KIT = RecoveryKit(bytes(range(32)), "Hafen & Küste")
SEEDS = st.binary(min_size=32, max_size=32)


@given(SEEDS, st.text(max_size=64))
def test_a_kit_is_read_back_from_its_line_and_from_its_page(seed: bytes, name: str) -> None:
    kit = RecoveryKit(seed, name)
    assert parse_kit(kit.line()) == kit
    assert parse_kit("\n".join(kit.lines())) == kit
    if name.isprintable():
        assert parse_kit(kit.page()) == kit


def test_it_proves_the_library_and_is_seen_in_no_log() -> None:
    assert KIT.library == library_id(Identity(KIT.seed).node)
    assert KIT.seed.hex() not in repr(KIT) and KIT.line()[-20:] not in repr(KIT)


def test_it_is_typed_in_any_case_with_any_spaces_and_what_is_alike_is_the_same() -> None:
    typed = "\n".join(KIT.lines()).lower().replace("  ", "    ")
    typed = re.sub("(?<=[a-z])o", "0", typed)
    assert parse_kit(typed) == KIT
    assert parse_kit("  scanned: " + KIT.line().upper() + "  ") == KIT


@given(st.data())
def test_one_wrong_letter_is_told_with_its_line(data: st.DataObject) -> None:
    lines = KIT.lines()
    number = data.draw(st.integers(0, len(lines) - 1))
    places = [i for i, c in enumerate(lines[number]) if c.isalpha() or (c in "234567" and i > 2)]
    place = data.draw(st.sampled_from(places))
    old = lines[number][place]
    new = data.draw(st.sampled_from([c for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" if c != old]))
    lines[number] = lines[number][:place] + new + lines[number][place + 1 :]
    with pytest.raises(KitInvalid, match=rf"line {number + 1} has a slip|slip in it"):
        parse_kit("\n".join(lines))


def test_a_line_that_is_lacking_and_what_is_no_kit_are_told() -> None:
    lines = KIT.lines()
    with pytest.raises(KitInvalid, match="lacking: 2"):
        parse_kit("\n".join([lines[0], *lines[2:]]))
    for text in ("", "photonic-kit-", "photonic-kit-abc", "12345", "photonic-" + "a" * 80):
        with pytest.raises(KitInvalid):
            parse_kit(text)


@given(st.text(max_size=200))
def test_whatever_is_typed_is_a_kit_or_an_error_of_ours(text: str) -> None:
    with pytest.raises(KitInvalid):
        parse_kit(text)


def test_only_the_line_that_was_asked_for_counts_as_typed_back() -> None:
    for number, line in enumerate(KIT.lines(), 1):
        assert is_typed_back(KIT, number, line)
        assert is_typed_back(KIT, number, line.lower().rpartition("  ")[0])
        assert not is_typed_back(KIT, number, line[:-6])
        assert not is_typed_back(KIT, number, "")
        others = [other for other in KIT.lines() if other != line]
        assert not any(is_typed_back(KIT, number, other) for other in others)
