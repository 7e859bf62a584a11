"""The three roles, as data."""

from __future__ import annotations

from photonic.roles.role import Role

MOBILE = Role(
    name="mobile",
    wants_originals=False,
    wants_previews=True,
    wants_sidecars=True,
    keeps="what is imported here while there is room, and previews of everything",
    capabilities=("import", "previews"),
    evicts=True,
)
CENTRAL = Role(
    name="central",
    wants_originals=True,
    wants_previews=True,
    wants_sidecars=True,
    keeps="everything",
    capabilities=("import", "originals", "previews"),
    is_always_on=True,
    is_lasting=True,
)
ARCHIVE = Role(
    name="archive",
    wants_originals=True,
    wants_previews=True,
    wants_sidecars=True,
    keeps="everything",
    capabilities=("originals", "previews"),
    is_always_on=True,
    is_lasting=True,
)

ROLES = {role.name: role for role in (MOBILE, CENTRAL, ARCHIVE)}
