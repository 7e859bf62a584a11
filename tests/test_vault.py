"""Keys at rest: who may read them, and what a passphrase does, whatever moment a crash chooses."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from photonic import limits
from photonic.errors import KeyDamaged, PassphraseNeeded, PassphraseWrong
from photonic.identity import Identity
from photonic.ids import digest
from photonic.vault import Kept, Vault
from photonic.world import SystemFiles, World

SECRETS = {"node": b"n" * 32, "library-ab": b"a" * 32}


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SCRYPT_N", 1 << 10)


class Stopped(Exception):
    """The machine stopped here."""


class StoppingFiles(SystemFiles):
    """Files of a machine that stops after so many durable steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def _step(self) -> None:
        if self.left == 0:
            raise Stopped
        self.left -= 1

    def write_durable(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        self._step()
        super().write_durable(path, data, mode=mode)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)


def vault(folder: Path, passphrase: str | None = None, files: SystemFiles | None = None) -> Vault:
    world = World(files=files) if files else World()
    return Vault(folder, world, lambda: passphrase) if passphrase else Vault(folder, world)


def filled(folder: Path) -> Vault:
    made = vault(folder)
    for name, secret in SECRETS.items():
        made.write(folder / name, secret)
    return made


def secrets_of(some: Vault) -> dict[str, bytes | None]:
    return {path.name: some.read(path) for path in some.files()}


def modes(folder: Path) -> set[int]:
    return {path.stat().st_mode & 0o777 for path in folder.iterdir()}


def test_a_secret_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    old = os.umask(0)
    try:
        filled(folder)
    finally:
        os.umask(old)
    assert folder.stat().st_mode & 0o777 == 0o700 and modes(folder) == {0o600}
    assert secrets_of(vault(folder)) == SECRETS


def test_what_others_could_read_is_closed_to_them_and_told(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    filled(folder)
    folder.chmod(0o755)
    (folder / "node").chmod(0o644)
    again = vault(folder)
    again.check()
    assert folder.stat().st_mode & 0o777 == 0o700 and modes(folder) == {0o600}
    assert [note.split(" could")[0] for note in again.repaired] == [
        str(folder), str(folder / "node"),
    ]  # fmt: skip
    again = vault(folder)
    again.check()
    assert again.repaired == []


def test_under_a_passphrase_no_secret_stands_in_a_file(tmp_path: Path) -> None:
    filled(tmp_path).protect("horse")
    for path in tmp_path.iterdir():
        assert not any(secret in path.read_bytes() for secret in SECRETS.values())
    assert {vault(tmp_path).kept(path) for path in vault(tmp_path).files()} == {Kept.PASSPHRASE}
    assert modes(tmp_path) == {0o600}
    assert secrets_of(vault(tmp_path, "horse")) == SECRETS


def test_a_secret_that_comes_later_is_kept_under_it_too(tmp_path: Path) -> None:
    filled(tmp_path).protect("horse")
    vault(tmp_path, "horse").write(tmp_path / "library-cd", b"c" * 32)
    assert vault(tmp_path).kept(tmp_path / "library-cd") is Kept.PASSPHRASE
    assert vault(tmp_path, "horse").read(tmp_path / "library-cd") == b"c" * 32


def test_a_wrong_passphrase_and_none_are_told_apart_from_damage(tmp_path: Path) -> None:
    filled(tmp_path).protect("horse")
    with pytest.raises(PassphraseWrong):
        vault(tmp_path, "house").read(tmp_path / "node")
    with pytest.raises(PassphraseNeeded):
        vault(tmp_path).read(tmp_path / "node")
    lock = bytearray((tmp_path / "lock").read_bytes())
    lock[len(lock) // 2] ^= 1
    (tmp_path / "lock").write_bytes(lock)
    with pytest.raises(KeyDamaged):
        vault(tmp_path, "horse").read(tmp_path / "node")


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_sealed_secret_that_was_changed_is_damaged(tmp_path: Path, place: str) -> None:
    filled(tmp_path).protect("horse")
    data = bytearray((tmp_path / "node").read_bytes())
    at = {"first": 30, "middle": len(data) // 2, "last": len(data) - 1}[place]
    data[at] ^= 1
    (tmp_path / "node").write_bytes(data)
    with pytest.raises(KeyDamaged):
        vault(tmp_path, "horse").read(tmp_path / "node")


def test_a_secret_under_the_name_of_another_is_damaged(tmp_path: Path) -> None:
    filled(tmp_path).protect("horse")
    (tmp_path / "node").write_bytes((tmp_path / "library-ab").read_bytes())
    with pytest.raises(KeyDamaged):
        vault(tmp_path, "horse").read(tmp_path / "node")


@pytest.mark.parametrize("field", ["n", "r", "p", "salt"])
def test_parameters_of_a_lock_are_authenticated_and_bounded(tmp_path: Path, field: str) -> None:
    filled(tmp_path).protect("horse")
    lock: dict[str, Any] = msgspec.msgpack.decode((tmp_path / "lock").read_bytes()[:-8])
    lock[field] = b"s" * 16 if field == "salt" else lock[field] * 2
    _write_lock(tmp_path, lock)
    with pytest.raises(PassphraseWrong):
        vault(tmp_path, "horse").read(tmp_path / "node")
    _write_lock(tmp_path, {**lock, "n": 1 << 40})  # would take all memory there is
    with pytest.raises(KeyDamaged):
        vault(tmp_path, "horse").read(tmp_path / "node")


def _write_lock(folder: Path, lock: dict[str, Any]) -> None:
    data = msgspec.msgpack.encode(lock)
    (folder / "lock").write_bytes(data + digest(data)[:8])


def test_the_passphrase_is_changed_and_taken_away(tmp_path: Path) -> None:
    filled(tmp_path).protect("horse")
    vault(tmp_path, "horse").protect("battery")
    assert secrets_of(vault(tmp_path, "battery")) == SECRETS
    with pytest.raises(PassphraseWrong):
        secrets_of(vault(tmp_path, "horse"))
    vault(tmp_path, "battery").unprotect()
    assert secrets_of(vault(tmp_path)) == SECRETS and not vault(tmp_path).is_locked


@pytest.mark.parametrize("steps", range(4))
@pytest.mark.parametrize("deed", ["set", "change", "remove"])
def test_a_crash_at_any_step_loses_no_secret_and_is_made_good_by_repeating(
    tmp_path: Path, deed: str, steps: int
) -> None:
    filled(tmp_path)
    if deed != "set":
        vault(tmp_path).protect("old")
    before = "old" if deed != "set" else None
    stopping = vault(tmp_path, before, StoppingFiles(steps))

    def do(some: Vault) -> None:
        some.unprotect() if deed == "remove" else some.protect("new")

    with suppress(Stopped):
        do(stopping)
    readable = [word for word in ("old", "new") if _opens(tmp_path, word)]
    assert readable, "one of the two passphrases opens everything"
    do(vault(tmp_path, readable[0]))
    assert secrets_of(vault(tmp_path, None if deed == "remove" else "new")) == SECRETS


def _opens(folder: Path, passphrase: str) -> bool:
    some = vault(folder, passphrase)
    try:
        some.unlock()
        return secrets_of(some) == SECRETS
    except PassphraseWrong:
        return False


def test_an_identity_is_kept_as_the_vault_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "node"
    made = Identity.load_or_create(path, World())
    assert path.read_bytes() == made.seed
    vault(tmp_path).protect("horse")
    assert made.seed not in path.read_bytes()
    again = Identity.load_or_create(path, World(), vault(tmp_path, "horse"))
    assert again.node == made.node
    path.write_bytes(b"short")
    with pytest.raises(KeyDamaged):
        Identity.load_or_create(path, World(), vault(tmp_path, "horse"))
