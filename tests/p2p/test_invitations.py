"""Codes work once, for one node, for a while; nobody can lock their holder out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic import limits
from photonic.errors import CodeExpired, CodeInvalid, CodeRefused, CodeUsed, TooManyAttempts
from photonic.ids import LibraryId, NodeId
from photonic.p2p.invitations import TOKEN_BYTES, Code, InvitationBook, parse_code

LIBRARY, INVITER = LibraryId(b"l" * 16), NodeId(b"i" * 32)
FIRST, SECOND = NodeId(b"1" * 32), NodeId(b"2" * 32)
TOLD_MS = limits.INVITATION_TOLD_S * 1000
TOKEN, WRONG = b"t" * TOKEN_BYTES, b"w" * TOKEN_BYTES


def opened(ttl_s: int = 60) -> tuple[InvitationBook, Code]:
    book = InvitationBook()
    code = book.open(
        token=TOKEN,
        library=LIBRARY,
        inviter=INVITER,
        addresses=["/ip4/10.0.0.1/tcp/1"],
        role="mobile",
        scopes=["catalog.read"],
        now_ms=0,
        ttl_s=ttl_s,
    )
    return book, code


def test_a_code_is_one_line_and_comes_back_however_it_is_typed() -> None:
    _, code = opened()
    text = code.text()
    assert "\n" not in text
    assert parse_code(text) == parse_code(f"  {text[:20]}\n {text[20:].upper()} ") == code


@given(st.integers(0, 400), st.sampled_from("abcdefghijklmnopqrstuvwxyz234567"))
def test_a_slip_of_the_pen_is_told_before_anybody_is_asked(position: int, letter: str) -> None:
    _, code = opened()
    text = code.text()
    position = 9 + position % (len(text) - 10)
    if text[position] != letter:
        with pytest.raises(CodeInvalid):
            parse_code(text[:position] + letter + text[position + 1 :])


@given(st.text(max_size=80))
def test_no_text_breaks_the_parser(text: str) -> None:
    with pytest.raises(CodeInvalid):
        parse_code(text)
    with pytest.raises(CodeInvalid):
        parse_code("photonic-" + text)


def test_a_code_works_for_one_node_which_may_ask_again() -> None:
    book, _ = opened()
    assert book.redeem(TOKEN, FIRST, 1).role == "mobile"
    assert book.redeem(TOKEN, FIRST, 2).role == "mobile"
    with pytest.raises(CodeUsed):
        book.redeem(TOKEN, SECOND, 3)


def test_a_code_ends_when_it_says_and_its_holder_is_told_so_for_ten_minutes() -> None:
    book, _ = opened(ttl_s=1)
    assert book.redeem(TOKEN, FIRST, 999).role == "mobile"
    book, _ = opened(ttl_s=1)
    assert book.expects(FIRST, 1_000)
    with pytest.raises(CodeExpired):
        book.redeem(TOKEN, FIRST, 1_000)
    assert not book.expects(FIRST, 1_000 + TOLD_MS)


def test_strangers_are_heard_only_while_a_code_is_unused_and_ten_minutes_longer() -> None:
    assert TOLD_MS == 10 * 60 * 1000
    book, _ = opened(ttl_s=7 * 24 * 3600)
    assert book.expects(SECOND, 1)
    book.redeem(TOKEN, FIRST, 1)
    assert book.expects(SECOND, TOLD_MS)
    assert not book.expects(SECOND, 1 + TOLD_MS)
    assert book.expects(FIRST, 1 + TOLD_MS)  # its answer may have got lost


def test_a_guesser_is_slowed_down_and_locks_nobody_out() -> None:
    book, _ = opened()
    for _ in range(limits.ENROL_ATTEMPTS_PER_MINUTE):
        with pytest.raises(CodeRefused):
            book.redeem(WRONG, SECOND, 1)
    with pytest.raises(TooManyAttempts):
        book.redeem(WRONG, SECOND, 2)
    with pytest.raises(CodeRefused):
        book.redeem(WRONG, SECOND, 61_000)
    assert book.redeem(TOKEN, FIRST, 3).role == "mobile"


def test_the_kept_book_holds_no_token_and_a_damaged_one_is_empty() -> None:
    book, _ = opened()
    assert TOKEN not in book.dump()
    assert InvitationBook.load(book.dump()).redeem(TOKEN, FIRST, 1).role == "mobile"
    assert not InvitationBook.load(b"\xc1 nonsense").expects(FIRST, 1)
