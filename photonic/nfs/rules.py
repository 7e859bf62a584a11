"""Who may mount the tree, and how: rules of an export, as people write them. Pure.

    192.168.1.0/24 rw               whoever is in that network may read, and write sidecars
    10.0.0.7 ro                     that machine may read
    192.168.1.0/24 rw on central    only while this node has that role

Of several rules that a client is in, the one of the smallest network holds. Names of machines are
none: who answers for a name decides who may write.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from photonic import limits
from photonic.errors import ExportRuleInvalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
ROLES = ("mobile", "central", "archive")


@dataclass(frozen=True, slots=True)
class Rule:
    """One client or network, and what it may do."""

    network: Network
    may_write: bool
    role: str | None = None  # None: whatever the role is

    @property
    def client(self) -> str:
        """The address, or the network."""
        whole = self.network.max_prefixlen == self.network.prefixlen
        return str(self.network.network_address if whole else self.network)

    @property
    def text(self) -> str:
        on = f" on {self.role}" if self.role else ""
        return f"{self.client} {'rw' if self.may_write else 'ro'}{on}"


def parse_rule(text: str) -> Rule:
    """Raises ExportRuleInvalid, in words."""
    words = text.split()
    if len(words) not in (2, 4) or (len(words) == 4 and words[2] != "on"):
        raise ExportRuleInvalid(f"{text!r}: an address or a network, then ro or rw, is a rule")
    try:
        network = ipaddress.ip_network(words[0])
    except ValueError as error:
        raise ExportRuleInvalid(f"{text!r}: {error}") from None
    if words[1] not in ("ro", "rw"):
        raise ExportRuleInvalid(f"{text!r}: {words[1]!r} is neither ro nor rw")
    if network.is_multicast or network.network_address.is_unspecified:
        raise ExportRuleInvalid(f"{text!r}: the whole world is no client; name your network")
    role = words[3] if len(words) == 4 else None
    if role is not None and role not in ROLES:
        raise ExportRuleInvalid(f"{text!r}: {role!r} is none of {', '.join(ROLES)}")
    return Rule(network, words[1] == "rw", role)


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Return rules; every problem of them is told at once. Raises ExportRuleInvalid."""
    rules, problems = list[Rule](), list[str]()
    if len(texts) > limits.EXPORT_RULES_MAX:
        problems.append(f"more than {limits.EXPORT_RULES_MAX} rules")
    for text in texts[: limits.EXPORT_RULES_MAX]:
        try:
            rules.append(parse_rule(text))
        except ExportRuleInvalid as error:
            problems.append(error.message)
    seen: dict[tuple[Network, str | None], Rule] = {}
    for rule in rules:
        if (rule.network, rule.role) in seen:
            problems.append(f"{rule.client} stands there a second time")
        seen[rule.network, rule.role] = rule
    if problems:
        raise ExportRuleInvalid("; ".join(problems))
    return tuple(rules)


def holding(rules: Iterable[Rule], role: str) -> tuple[Rule, ...]:
    """Return the rules that hold for a node of a role, those of smaller networks first."""
    found: dict[Network, Rule] = {}
    for rule in sorted(rules, key=lambda rule: rule.role is None):  # the role's own go first
        if rule.role in (None, role):
            found.setdefault(rule.network, rule)
    return tuple(
        sorted(
            found.values(),
            key=lambda r: (r.network.version, -r.network.prefixlen, int(r.network.network_address)),
        )
    )
