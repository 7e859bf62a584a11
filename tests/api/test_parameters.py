"""A parameter without a value is one that was not given."""

from __future__ import annotations

import pytest

from photonic.api.parameters import without_empty


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        (b"q=&limit=&cursor=", b""),
        (b"q=a&limit=&rating=3", b"q=a&rating=3"),
        (b"q=a%3D", b"q=a%3D"),
        (b"flag&&x=1", b"x=1"),
        (b"", b""),
    ],
)
def test_parameters_without_a_value_are_left_out(query: bytes, kept: bytes) -> None:
    assert without_empty(query) == kept
