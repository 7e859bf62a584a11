"""Rules of an export say what they mean, or are refused in words, all of them at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photonic.errors import ExportRuleInvalid
from photonic.nfs.rules import holding, parse_rule, parse_rules


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "an address or a network"),
        ("192.168.1.0/24", "an address or a network"),
        ("192.168.1.5/24 rw", "host bits"),
        ("300.0.0.1 ro", "does not appear"),
        ("* rw", "does not appear"),
        ("studio.local rw", "does not appear"),
        ("0.0.0.0/0 ro", "whole world"),
        ("224.0.0.1 ro", "whole world"),
        ("10.0.0.1 rx", "neither ro nor rw"),
        ("10.0.0.1 ro at central", "is a rule"),
        ("10.0.0.1 ro on laptop", "is none of"),
        ("10.0.0.1 ro; } EXPORT {", "is a rule"),
    ],
)
def test_what_is_no_rule_is_refused_in_words(text: str, told: str) -> None:
    with pytest.raises(ExportRuleInvalid, match=told):
        parse_rule(text)


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ExportRuleInvalid) as caught:
        parse_rules(["10.0.0.1 rx", "10.0.0.2 ro", "10.0.0.2 rw", "x ro"])
    assert caught.value.message.count(";") == 2


def test_the_smallest_network_goes_first_and_a_role_has_its_own_rules() -> None:
    rules = parse_rules(["10.0.0.0/8 ro", "10.0.0.7 rw", "10.0.0.0/8 rw on archive"])
    assert [rule.text for rule in holding(rules, "central")] == ["10.0.0.7 rw", "10.0.0.0/8 ro"]
    assert [rule.text for rule in holding(rules, "archive")] == [
        "10.0.0.7 rw", "10.0.0.0/8 rw on archive",
    ]  # fmt: skip


@given(st.ip_addresses(), st.integers(1, 128), st.booleans())
def test_a_rule_is_read_as_it_was_written(address: object, prefix: int, writes: bool) -> None:
    text = f"{address} {'rw' if writes else 'ro'}"
    try:
        rule = parse_rule(text)
    except ExportRuleInvalid:
        return
    assert parse_rule(rule.text) == rule
