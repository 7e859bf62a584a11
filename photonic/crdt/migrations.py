"""How an older index becomes the present one: a numbered list, and what is there is a number.

A step is SQL, or REBUILD where what is needed is in the journal alone: then the tables are made
afresh and the next projection fills them. (Alembic would keep a history and a file a step; the
index is disposable, so a list is enough.)
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from photonic.crdt.tables import schema

REBUILD: Final = "rebuild"

MIGRATIONS: Final[Sequence[tuple[str, ...]]] = (
    (REBUILD,),  # 0 -> 1: nothing yet, or rows named by 32 bytes, without counts
    (  # 1 -> 2: no change of before names a pixel identity
        "ALTER TABLE file ADD COLUMN pixels BLOB",
        "CREATE INDEX file_pixels ON file (pixels) WHERE pixels IS NOT NULL",
    ),
    (REBUILD,),  # 2 -> 3: places were there in the clear; `index.py` removes the file itself
    # 3 -> 4: every member's copies counted; `projector.py` goes over it where they do not
    ("ALTER TABLE holder ADD COLUMN hints BLOB DEFAULT (x'') NOT NULL",),
)
"""The step at position N leads from version N to N + 1."""

VERSION: Final = len(MIGRATIONS)


def must_remake(db: sqlite3.Connection) -> bool:
    """Whether an index that somebody used is to be made afresh: its pages may tell too much."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    steps = {step for some in MIGRATIONS[version:] for step in some}
    return version > 0 and (version > VERSION or REBUILD in steps)


def migrate(db: sqlite3.Connection, migrations: Sequence[tuple[str, ...]] = MIGRATIONS) -> bool:
    """Bring the tables up to date; True if they are empty now. Raises sqlite3.DatabaseError."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    steps = [step for some in migrations[version:] for step in some]
    is_made_afresh = version > len(migrations) or REBUILD in steps
    db.execute("BEGIN IMMEDIATE")
    try:
        if is_made_afresh:
            _drop_all(db)
            steps = schema()
        for step in steps:
            db.execute(step)
        db.execute(f"PRAGMA user_version = {len(migrations)}")
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    return is_made_afresh


def _drop_all(db: sqlite3.Connection) -> None:
    found = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    virtual = [name for name, sql in found if sql.startswith("CREATE VIRTUAL")]
    for name in virtual:  # takes the tables behind it along
        db.execute(f'DROP TABLE "{name}"')
    for name, _ in found:
        if not name.startswith("sqlite_") and name not in virtual:
            db.execute(f'DROP TABLE IF EXISTS "{name}"')
