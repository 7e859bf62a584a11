"""Names of entries: each is spelt in one way, and nothing else is a name."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photonic.crdt.keys import (
    DROPPED,
    HELD,
    Holding,
    change_key,
    holding_key,
    parse_change_key,
    parse_holding,
)
from photonic.ids import BlobId, NodeId

NAMES = st.binary(min_size=32, max_size=32)
CHARS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= \n.!é"


@given(NAMES)
def test_a_name_is_read_as_it_was_written(name: bytes) -> None:
    assert parse_change_key(change_key(name)) == name


@given(st.text(CHARS, min_size=40, max_size=46))
@example("A" * 42 + "B")
@example("A" * 42 + "=")
@example("A" * 43 + "=")
@example("+" + "A" * 42)
@example("A" * 21 + "\n" + "A" * 22)
def test_what_is_spelt_otherwise_is_no_name(key: str) -> None:
    try:
        raw = urlsafe_b64decode(key + "=")
        is_name = len(raw) == 32 and urlsafe_b64encode(raw).decode().rstrip("=") == key
    except ValueError:
        is_name = False
    if is_name:
        assert change_key(parse_change_key(key)) == key
    else:
        with pytest.raises(ValueError, match="names no change"):
            parse_change_key(key)


@given(NAMES, NAMES, st.booleans())
def test_a_holding_is_read_as_it_was_written(blob: bytes, node: bytes, is_held: bool) -> None:
    key = holding_key(BlobId(blob), NodeId(node))
    assert parse_holding(key, HELD if is_held else DROPPED) == Holding(
        BlobId(blob), NodeId(node), is_held
    )
    for bad in (key + ".", "." + key, key.replace(".", ""), key + "A"):
        with pytest.raises(ValueError, match="names no"):
            parse_holding(bad, HELD)
    with pytest.raises(ValueError, match="yes nor no"):
        parse_holding(key, b"\2")
