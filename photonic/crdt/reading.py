"""Reading the index: each question sees it as it was at one moment.

Read-only; any thread. An index that is damaged or being made again raises IndexUnreadable.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.pool import StaticPool

from photonic.crdt.lexicon import Read
from photonic.errors import IndexUnreadable


class IndexReading:
    """What asks the index builds on this."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._is_shared = isinstance(engine.pool, StaticPool)

    @contextmanager
    def _reading(self) -> Iterator[Read]:
        """Give out what reads the index as it was at one moment. Raises IndexUnreadable."""
        try:
            with self._engine.connect() as connection:
                if not self._is_shared:
                    connection.exec_driver_sql("BEGIN")
                try:
                    yield _reader(connection)
                finally:
                    if not self._is_shared:
                        connection.exec_driver_sql("ROLLBACK")
        except (DatabaseError, NoConnection) as error:
            raise IndexUnreadable(str(getattr(error, "orig", error))) from error


def _reader(connection: Connection) -> Read:
    def read(statement: str, values: Sequence[Any]) -> list[Any]:
        return list(connection.exec_driver_sql(statement, tuple(values)).fetchall())

    return read
