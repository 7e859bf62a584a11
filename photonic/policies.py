"""The library's display policy: which of several concurrent values is shown, field by field.

The rules are fields of one subject, so that they merge like everything else. Who may change them
is the roster's to say (`members.admin`).
"""

from __future__ import annotations

from collections.abc import Mapping

from photonic.catalog_thread import CatalogThread
from photonic.crdt.catalog import Catalog
from photonic.crdt.changes import Draft
from photonic.crdt.fields import (
    CAPTION,
    FLAG,
    GPS,
    LABEL,
    ORIGINAL,
    RATING,
    SHOOT_OF,
    STACK_OF,
    TITLE,
    TRASHED,
)
from photonic.crdt.policy import AUTOMATIC, DISPLAY_POLICY, EVERY_FIELD, is_rule
from photonic.errors import EditInvalid

# Sidecars are not among them: somebody's work on the picture is never picked by a rule.
RULED = (
    EVERY_FIELD, RATING, LABEL, FLAG, TITLE, CAPTION, GPS, ORIGINAL, SHOOT_OF, STACK_OF, TRASHED,
)  # fmt: skip


class Policies:
    """Reads and writes the rules."""

    def __init__(self, thread: CatalogThread) -> None:
        self._thread = thread

    async def display(self) -> dict[str, str]:
        """Return the rules by field; "*" is for all fields without a rule of their own."""
        return await self._thread.call(_rules)

    async def set_display(self, rules: Mapping[str, str]) -> dict[str, str]:
        """Make `rules` the only ones, by one change, and return them as they stand then.

        Raises EditInvalid for a field or a rule that there is not, NotAllowed.
        """
        for name, rule in rules.items():
            if name not in RULED:
                raise EditInvalid(f"no rule is for {name}; rules are for {', '.join(RULED)}")
            if not is_rule(rule):
                raise EditInvalid(f"{rule!r} is no rule: auto, manual or prefer:ROLE is")

        def write(catalog: Catalog) -> None:
            state = catalog.state(DISPLAY_POLICY)
            sets: dict[str, str | None] = {
                name: None
                for name, field in state.fields.items()
                if name not in rules and any(one.value is not None for one in field.versions)
            }
            for name, rule in rules.items():
                field = state.fields.get(name)
                if field is None or any(one.value != rule for one in field.versions):
                    sets[name] = rule
            if sets:
                catalog.write([Draft(DISPLAY_POLICY, sets)])

        await self._thread.call(write)
        return await self.display()


def _rules(catalog: Catalog) -> dict[str, str]:
    return dict(sorted({EVERY_FIELD: AUTOMATIC, **catalog.display.rules}.items()))
