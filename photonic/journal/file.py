"""The journal's SQLite file: opened, made whole again where it is damaged, closed.

A file that SQLite refuses, at the opening or later, is salvaged, and what was asked of it is done
once more. The end of its log is read before SQLite cuts it, so that an abrupt stop can be told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from photonic.errors import JournalDamaged, JournalUnwritable
from photonic.journal.salvage import finish, salvage, sync_folder
from photonic.journal.schema import is_damage, open_database
from photonic.journal.tail import Tail, read_tail

T = TypeVar("T")


class JournalFile:
    """One open journal file, or a journal in memory."""

    def __init__(self, path: Path | None, on_open: Callable[[sqlite3.Connection], None]) -> None:
        """Open or create it. `on_open` reads what is kept in memory, again after each salvage.

        Raises JournalNewer; JournalUnwritable or JournalDamaged if it can be neither read nor
        salvaged.
        """
        self._path, self._on_open = path, on_open
        self.tail = Tail(0, 0, 0)
        self.was_empty = False  # a file without a byte: never begun, or lost as a whole
        if path is None:
            self._open()
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            finish(path)  # a salvage that was cut short
            log = self._log(path)
            self.tail = read_tail(log)
            self.was_empty = path.exists() and path.stat().st_size == 0
            if self.tail.is_damaged:
                cut = self.tail.commits_cut
                reason = f"{cut} commits in its log follow a page that cannot be read"
                self._salvage(path, log, reason)
            else:
                self._open_or_salvage(path, log)
            sync_folder(path.parent)
        except OSError as error:
            raise JournalUnwritable(f"{path.name}: {error}") from error

    def close(self) -> None:
        self.db.close()

    def guarded(self, work: Callable[[], T]) -> T:
        """Do `work`; if the file turns out to be damaged, salvage it and do it once more.

        Raises what `work` raises; JournalDamaged if the salvaged file is damaged again.
        """
        try:
            return work()
        except sqlite3.Error as error:
            if self._path is None or not is_damage(error):
                raise
            log = self._log(self._path)
            self.db.close()
            self._salvage(self._path, log, str(error))
        try:
            return work()
        except sqlite3.Error as error:
            if is_damage(error):
                raise JournalDamaged(f"the journal is damaged again: {error}") from error
            raise

    def _open(self) -> None:
        self.db = open_database(self._path)
        try:
            self._on_open(self.db)
        except BaseException:
            self.db.close()
            raise

    def _open_or_salvage(self, path: Path, log: bytes) -> None:
        try:
            self._open()
        except sqlite3.Error as error:
            if not is_damage(error, is_opening=True):
                raise JournalUnwritable(f"{path.name} cannot be opened: {error}") from error
            self._salvage(path, log, str(error))

    @staticmethod
    def _log(path: Path) -> bytes:
        log = path.with_name(f"{path.name}-wal")
        return log.read_bytes() if log.exists() else b""

    def _salvage(self, path: Path, log: bytes, reason: str) -> None:
        """Replace the file, which is closed, by what can be read of it, and open that."""
        try:
            salvage(path, log, reason)
            self._open()
        except (OSError, sqlite3.Error) as error:
            if isinstance(error, sqlite3.Error) and is_damage(error, is_opening=True):
                raise JournalDamaged(f"{path.name} is damaged again: {error}") from error
            raise JournalUnwritable(f"{path.name} cannot be salvaged: {error}") from error
