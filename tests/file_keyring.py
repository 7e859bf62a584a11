"""A keyring that keeps its entries in a file, so that daemons in other processes use it, too.

    PYTHON_KEYRING_BACKEND=tests.file_keyring.FileKeyring  PHOTO_TEST_KEYRING=/path/entries.json

It is the library's own interface, and nothing that photonic brings. Where the file's folder is
missing the keyring is one that cannot be reached.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

from tests.source import ROOT

PATH_VARIABLE = "PHOTO_TEST_KEYRING"


class FileKeyring(KeyringBackend):
    """Entries of a JSON file: service and user name -> secret."""

    priority: float = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @property
    def _file(self) -> Path:
        return Path(os.environ[PATH_VARIABLE])

    def _entries(self) -> dict[str, str]:
        if not self._file.parent.is_dir():
            raise KeyringLocked("nobody unlocked it")
        return dict(json.loads(self._file.read_text())) if self._file.exists() else {}

    def get_password(self, service: str, username: str) -> str | None:
        return self._entries().get(f"{service}\n{username}")

    def set_password(self, service: str, username: str, password: str) -> None:
        self._file.write_text(json.dumps(self._entries() | {f"{service}\n{username}": password}))

    def delete_password(self, service: str, username: str) -> None:
        entries = self._entries()
        if entries.pop(f"{service}\n{username}", None) is None:
            raise PasswordDeleteError("there is none")
        self._file.write_text(json.dumps(entries))


class WeakKeyring(FileKeyring):
    """One that the library itself would not recommend, as those that keep plain text."""

    priority = 0.5


class ForgetfulKeyring(FileKeyring):
    """One that takes everything and keeps nothing."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep nothing."""


class Drawer:
    """The file of such a keyring, as tests look at it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "entries.json"
        folder.mkdir()

    def entries(self) -> dict[str, str]:
        if not self.file.exists():
            return {}
        return {
            name.split("\n")[1]: secret
            for name, secret in json.loads(self.file.read_text()).items()
        }

    def lock(self) -> None:
        self.file.parent.rename(self.file.parent.with_suffix(".away"))

    def unlock(self) -> None:
        self.file.parent.with_suffix(".away").rename(self.file.parent)

    def empty(self) -> None:
        self.file.write_text("{}")

    def for_processes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let processes that start from now on use it."""
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "tests.file_keyring.FileKeyring")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))
        monkeypatch.setenv(PATH_VARIABLE, str(self.file))
