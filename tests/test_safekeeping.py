"""Keys under a passphrase that the system's keyring keeps, whatever moment a crash chooses."""

from __future__ import annotations

import getpass
import io
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import keyring
import msgspec
import pytest
from keyring.backend import KeyringBackend
from keyring.backends import fail, null

from photonic import limits, safekeeping, vault
from photonic.config import Settings
from photonic.errors import KeyDamaged, KeyringUnusable, PassphraseWrong
from photonic.ids import digest
from photonic.layout import Layout
from photonic.passphrases import source_of
from photonic.safekeeping import Safekeeping, keep_keys
from photonic.system_keyring import keyring_name
from photonic.vault import Kept, Vault
from photonic.world import SystemFiles, World
from tests.file_keyring import (
    PATH_VARIABLE,
    Drawer,
    FileKeyring,
    ForgetfulKeyring,
    WeakKeyring,
)

SECRET = b"n" * 32
BOUND_S = 10.0


@pytest.fixture(autouse=True)
def _cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SCRYPT_N", 1 << 10)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)


@pytest.fixture
def drawer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Drawer]:
    made = Drawer(tmp_path / "keyring")
    monkeypatch.setenv(PATH_VARIABLE, str(made.file))
    before = keyring.get_keyring()
    keyring.set_keyring(FileKeyring())
    yield made
    keyring.set_keyring(before)


def settings(home: Path, **some: object) -> Settings:
    return Settings.model_validate({"home": home, **some})


def opened(home: Path, **some: object) -> Vault:
    return Layout(home, World(), source_of(settings(home, **some))).vault


def filled(home: Path) -> Path:
    opened(home).write(home / "keys" / "node", SECRET)
    return home


def read(home: Path, **some: object) -> bytes | None:
    return opened(home, **some).read(home / "keys" / "node")


def kept(home: Path) -> Kept:
    return opened(home).kept(home / "keys" / "node")


def put(home: Path) -> Safekeeping:
    return keep_keys(settings(home), Kept.KEYRING)


def test_the_keyring_keeps_a_random_passphrase_and_a_start_asks_nobody(
    tmp_path: Path, drawer: Drawer
) -> None:
    home = filled(tmp_path / "home")
    done = put(home)
    assert list(drawer.entries().values()) == [done.passphrase]
    assert len(done.passphrase.replace("-", "")) * 5 >= 256
    assert next(iter(drawer.entries())).startswith(f"{home} ")
    assert kept(home) is Kept.KEYRING and read(home) == SECRET
    for path in (home / "keys").iterdir():
        assert SECRET not in path.read_bytes()
        assert done.passphrase.encode() not in path.read_bytes()


def test_a_new_passphrase_and_none_take_the_entry_away(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = filled(tmp_path / "home")
    passwords = {put(home).passphrase for _ in range(3)}
    assert len(passwords) == 3 and len(drawer.entries()) == 1
    assert read(home) == SECRET
    monkeypatch.setattr(safekeeping, "ask_for_new", lambda: "horse")
    keep_keys(settings(home), Kept.PASSPHRASE)
    assert drawer.entries() == {} and kept(home) is Kept.PASSPHRASE
    assert read(home, passphrase_command="echo horse") == SECRET
    keep_keys(settings(home, passphrase_command="echo horse"), Kept.KEYRING)
    assert len(drawer.entries()) == 1 and kept(home) is Kept.KEYRING
    keep_keys(settings(home), Kept.FILE)
    assert drawer.entries() == {} and kept(home) is Kept.FILE and read(home) == SECRET


def test_without_the_keyring_it_is_told_and_the_passphrase_on_paper_opens(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = filled(tmp_path / "home")
    paper = put(home).passphrase
    drawer.lock()
    with pytest.raises(KeyringUnusable, match="nobody unlocked it"):
        read(home)
    assert read(home, passphrase_command=f"echo {paper}") == SECRET

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda prompt: paper)
    assert read(home) == SECRET
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    drawer.unlock()
    drawer.empty()
    with pytest.raises(KeyringUnusable, match="has nothing as"):
        read(home)
    # A service, without a session.
    keyring.set_keyring(fail.Keyring())  # type: ignore[no-untyped-call]
    with pytest.raises(KeyringUnusable, match="none here"):
        read(home)
    # It is taken out of a keyring that is lost, too.
    done = keep_keys(settings(home, passphrase_command=f"echo {paper}"), Kept.FILE)
    assert read(home) == SECRET and len(done.left) == 2


def test_another_passphrase_in_the_keyring_is_wrong(tmp_path: Path, drawer: Drawer) -> None:
    home = filled(tmp_path / "home")
    put(home)
    (name,) = drawer.entries()
    keyring.set_password("photonic", name, "of another time")
    with pytest.raises(PassphraseWrong):
        read(home)


def test_two_homes_share_nothing_and_a_copy_takes_nothing_from_its_model(
    tmp_path: Path, drawer: Drawer
) -> None:
    first, second = filled(tmp_path / "a"), filled(tmp_path / "a b")
    put(first)
    put(second)
    assert len(set(drawer.entries())) == len(set(drawer.entries().values())) == 2
    keep_keys(settings(first), Kept.FILE)
    assert read(second) == SECRET
    copy = tmp_path / "copy"
    shutil.copytree(second, copy)
    assert read(copy) == SECRET
    put(copy)
    assert read(second) == read(copy) == SECRET
    keep_keys(settings(copy), Kept.FILE)
    assert read(second) == SECRET and len(drawer.entries()) == 1
    # A folder that takes the place of another one does not write over what that one needs.
    second.rename(tmp_path / "moved")
    put(filled(second))
    assert read(second) == read(tmp_path / "moved") == SECRET


@pytest.mark.parametrize(
    "backend", [fail.Keyring, null.Keyring, WeakKeyring, ForgetfulKeyring], ids=lambda k: k.__name__
)
def test_a_keyring_that_keeps_nothing_well_changes_nothing(
    tmp_path: Path, drawer: Drawer, backend: type[KeyringBackend]
) -> None:
    home = filled(tmp_path / "home")
    keyring.set_keyring(backend())
    with pytest.raises(KeyringUnusable):
        put(home)
    assert kept(home) is Kept.FILE and not opened(home).is_locked and read(home) == SECRET
    if backend is not ForgetfulKeyring:
        assert keyring_name() is None and drawer.entries() == {}


def test_a_keyring_that_does_not_answer_is_not_waited_for(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = filled(tmp_path / "home")
    put(home)
    answered = threading.Event()
    monkeypatch.setattr(FileKeyring, "get_password", lambda *_: answered.wait(BOUND_S))
    monkeypatch.setattr(limits, "KEYRING_S", 0.05)
    with pytest.raises(KeyringUnusable, match="did not answer"):
        read(home)
    answered.set()


class Stopped(BaseException):
    """The machine stopped here: nothing that follows is done."""


class Machine:
    """Counts the durable steps of files and keyring, and stops before one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left: int | None = None
        for kind, names in (
            (SystemFiles, ("write_durable", "remove")),
            (FileKeyring, ("set_password", "delete_password")),
        ):
            for name in names:
                monkeypatch.setattr(kind, name, self._counted(getattr(kind, name)))

    def _counted(self, step: object) -> object:
        def count(*given: object, **named: object) -> object:
            if self.left == 0:
                raise Stopped
            if self.left is not None:
                self.left -= 1
            assert callable(step)
            return step(*given, **named)

        return count


@pytest.mark.parametrize("deed", ["put", "change", "own", "remove"])
def test_a_crash_at_any_step_loses_no_secret_and_is_made_good_by_repeating(
    tmp_path: Path, drawer: Drawer, monkeypatch: pytest.MonkeyPatch, deed: str
) -> None:
    monkeypatch.setattr(safekeeping, "ask_for_new", lambda: "horse")
    # In this thread: a machine that stops does not tell a thread's end.
    monkeypatch.setattr("photonic.system_keyring._within_bound", lambda ask: ask())
    machine = Machine(monkeypatch)
    way = {"own": Kept.PASSPHRASE, "remove": Kept.FILE}.get(deed, Kept.KEYRING)
    for steps in range(20):
        home = filled(tmp_path / str(steps))
        opened(home).write(home / "keys" / "library-ab", b"a" * 32)
        if deed != "put":
            put(home)
        machine.left = steps
        try:
            keep_keys(settings(home), way)
        except Stopped:
            machine.left = None
        else:
            machine.left = None
            assert steps >= 2, "that it went through so early shows that nothing was counted"
            break
        own = {"passphrase_command": "echo horse"} if kept_by_hand(home) else {}
        assert read(home, **own) == SECRET, steps
        assert opened(home, **own).read(home / "keys" / "library-ab") == b"a" * 32
        keep_keys(settings(home, **own), way)
        own = {"passphrase_command": "echo horse"} if deed == "own" else {}
        assert read(home, **own) == SECRET and kept(home) is way
        if way is Kept.KEYRING and deed == "change":
            mine = [name for name in drawer.entries() if name.startswith(f"{home} ")]
            assert len(mine) == 1, "the one too many is gone"
    else:
        pytest.fail("it never came to its end")


def kept_by_hand(home: Path) -> bool:
    some = opened(home)
    return some.is_locked and not some.keyring_name()


def test_the_name_in_a_lock_is_authenticated(tmp_path: Path, drawer: Drawer) -> None:
    home = filled(tmp_path / "home")
    paper = put(home).passphrase
    lock = home / "keys" / vault.LOCK
    said = msgspec.msgpack.decode(lock.read_bytes()[:-8])
    data = msgspec.msgpack.encode({**said, "keyring": "of somebody else"})
    lock.write_bytes(data + digest(data)[:8])
    with pytest.raises(PassphraseWrong):
        read(home, passphrase_command=f"echo {paper}")
    lock.write_bytes(b"no lock")
    assert kept(home) is Kept.PASSPHRASE
    with pytest.raises(KeyDamaged):
        read(home)


def test_a_lock_from_before_keyrings_is_read(tmp_path: Path) -> None:
    home = filled(tmp_path / "home")
    opened(home).protect("horse")
    lock = home / "keys" / vault.LOCK
    said = msgspec.msgpack.decode(lock.read_bytes()[:-8])
    del said["keyring"]  # as it was written then
    data = msgspec.msgpack.encode(said)
    lock.write_bytes(data + digest(data)[:8])
    assert read(home, passphrase_command="echo horse") == SECRET
    assert kept(home) is Kept.PASSPHRASE
