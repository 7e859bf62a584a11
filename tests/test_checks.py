"""What the doctor says of stored files follows from how their verification stands."""

from __future__ import annotations

from dataclasses import replace

import pytest

from photonic.checks import check_file_system, check_readers, check_stored
from photonic.verify_views import ScrubView
from photonic.world import Abilities

FINE = ScrubView(30, False, 0, 0, "2024-05-01T00:00:00.000Z", 9, 900, 0, 0, 0)


@pytest.mark.parametrize(
    ("scrub", "alone", "age_days", "ok", "words"),
    [
        (FINE, 0, 12.0, True, "all were verified within 12 days"),
        (replace(FINE, oldest=None), 0, None, True, "there are none yet"),
        (replace(FINE, repaired=2), 0, 1.0, True, "2 were damaged and are repaired"),
        (replace(FINE, overdue=7), 0, 45.0, True, "within 45 days"),
        (replace(FINE, overdue=7), 0, 61.0, False, "7 later than the 30 that are set"),
        (replace(FINE, paused=True), 0, 1.0, False, "paused"),
        (replace(FINE, paused=True, days=0), 0, 900.0, True, "within 900 days"),
        (replace(FINE, unreadable=3), 0, 1.0, False, "the disk does not give 3"),
        (replace(FINE, damaged=2, unreadable=1), 0, 1.0, False, "2 are damaged"),
        (replace(FINE, damaged=2), 1, 1.0, False, "of 1 of them no other node is known"),
    ],
)
def test_the_check_says_what_is_wrong_and_what_to_do(
    scrub: ScrubView, alone: int, age_days: float | None, ok: bool, words: str
) -> None:
    check = check_stored(scrub, alone, age_days)
    assert (check.ok, bool(check.fix)) == (ok, not ok)
    assert words in check.detail


@pytest.mark.parametrize(
    ("abilities", "words"),
    [
        (Abilities(True, True, True), "shares its room (reflinks); hard links"),
        (Abilities(False, True, True), "copied whole, by the kernel; hard links"),
        (Abilities(False, False, False), "read and written; no hard links"),
    ],
)
def test_what_the_file_system_cannot_do_is_told_and_no_failure(
    abilities: Abilities, words: str
) -> None:
    check = check_file_system(abilities)
    assert check.ok
    assert words in check.detail


def test_a_missing_wall_is_told_with_what_to_do() -> None:
    assert check_readers(None, []).ok
    assert check_readers(("limits", "files"), []).ok
    told = check_readers(("limits",), ["files", "system calls"])
    assert not told.ok and "files, system calls" in told.detail and "Landlock" in told.fix
