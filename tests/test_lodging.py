"""Names and folders of further libraries: plain names, no paths, each with a slot of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import LibraryExists, LibraryNameInvalid, TooManyLibraries
from photonic.lodging import (
    check_library_name,
    find_lodging,
    home_of,
    let_in,
    lodgings,
    make_lodging,
    put_out,
)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a/b", "/etc", "a\\b", "A", "-a", "a-", "a b", "a\x00", "é", "x" * 33, "a\n",
     "~", "a.b", "a_b", "\u202ea"],
)  # fmt: skip
def test_what_is_no_plain_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LibraryNameInvalid):
        check_library_name(name)
    with pytest.raises(LibraryNameInvalid):
        make_lodging(tmp_path, name)
    assert not list(tmp_path.rglob("lodging.json"))


@given(st.text(max_size=40))
def test_whatever_is_taken_for_a_name_stays_below_the_home(name: str) -> None:
    home = Path("/home/ann/photonic")
    try:
        found = home_of(home, check_library_name(name))
    except LibraryNameInvalid:
        return
    assert found.parent == home / "tenants" and found.name == name
    assert str(found) == str(found.resolve())


def test_each_has_a_slot_of_its_own_and_a_free_one_is_used_again(tmp_path: Path) -> None:
    made = [make_lodging(tmp_path, name) for name in ("c", "a", "b")]
    assert [one.slot for one in made] == [1, 2, 3]
    assert [one.name for one in lodgings(tmp_path)] == ["a", "b", "c"]
    for path in made[1].home.iterdir():
        path.unlink()
    made[1].home.rmdir()
    assert make_lodging(tmp_path, "d").slot == 2
    with pytest.raises(LibraryExists):
        make_lodging(tmp_path, "d")


def test_it_is_served_when_somebody_says_so(tmp_path: Path) -> None:
    made = make_lodging(tmp_path, "a")
    assert not made.serves, "not before there is a library in it"
    let_in(made)
    found = find_lodging(tmp_path, "a")
    assert found is not None and found.serves
    put_out(found)
    assert [one.serves for one in lodgings(tmp_path)] == [False]
    assert made.home.stat().st_mode & 0o077 == 0, "keys are in it"


def test_they_are_bounded(tmp_path: Path) -> None:
    for number in range(limits.LIBRARIES_MAX - 1):  # beside the first
        make_lodging(tmp_path, f"a{number}")
    with pytest.raises(TooManyLibraries):
        make_lodging(tmp_path, "more")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"slot": 0, "serves": true}', '{"slot": "x"}'])
def test_a_folder_that_says_nothing_sensible_is_left_alone(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "tenants" / "odd"
    folder.mkdir(parents=True)
    (folder / "lodging.json").write_text(text)
    (tmp_path / "tenants" / "Not-A-Name").mkdir()
    assert lodgings(tmp_path) == []
