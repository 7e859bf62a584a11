"""The keyring of the operating system: Secret Service or KWallet on Linux, Keychain, Windows' own.

Only this module knows it. What keeps nothing, or keeps it for everybody to read, counts as none.
Blocking, for KEYRING_S at most: a keyring may ask somebody to unlock it, and nobody may be there.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import TypeVar

import keyring
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend

from photonic import limits
from photonic.errors import KeyringUnusable

SERVICE = "photonic"
_PRIORITY_MIN = 1  # below it are, by the library's own rule, those that it would not recommend

Answer = TypeVar("Answer")


def keyring_name() -> str | None:
    """Return what keyring there is; None if there is none that keeps a secret well."""
    try:
        return _within_bound(lambda: _usable().name)
    except KeyringUnusable:
        return None


def keyring_hint(there: str) -> str:
    """Return what to say to whom could use the keyring and does not."""
    return (
        f"{there} is here: `photonic keys passphrase --keyring`, while the node does not run, keeps"
        " the keys under a passphrase in it. A service without it would not start by itself then."
    )


def keep(name: str, passphrase: str) -> None:
    """Keep a passphrase, and read it back to be sure. Raises KeyringUnusable."""
    _within_bound(lambda: _usable().set_password(SERVICE, name, passphrase))
    if recall(name) != passphrase:
        raise KeyringUnusable(f"it did not give back what it was given as {name}")


def recall(name: str) -> str:
    """Return the passphrase that is kept under a name. Raises KeyringUnusable."""
    found = _within_bound(lambda: _usable().get_password(SERVICE, name))
    if not found:
        raise KeyringUnusable(f"it has nothing as {name} of the service {SERVICE}")
    return found


def forget(name: str) -> None:
    """Take away what is kept under a name; absent is fine. Raises KeyringUnusable."""

    def take() -> None:
        backend = _usable()
        if backend.get_password(SERVICE, name) is not None:
            backend.delete_password(SERVICE, name)

    _within_bound(take)


def _usable() -> KeyringBackend:
    chosen = keyring.get_keyring()
    first = chosen.backends[0] if isinstance(chosen, ChainerBackend) else chosen
    if first.priority < _PRIORITY_MIN:
        raise KeyringUnusable(f"there is none here that keeps a secret well ({first.name})")
    return chosen


def _within_bound(ask: Callable[[], Answer]) -> Answer:
    """Ask in a thread that the process does not wait for. Raises KeyringUnusable."""
    answers: SimpleQueue[tuple[Answer] | Exception] = SimpleQueue()

    def work() -> None:
        try:
            answers.put((ask(),))
        except Exception as error:  # noqa: BLE001 - each keyring has errors of its own
            answers.put(error)

    threading.Thread(target=work, name="keyring", daemon=True).start()
    try:
        answer = answers.get(timeout=limits.KEYRING_S)
    except Empty:
        raise KeyringUnusable(f"it did not answer within {limits.KEYRING_S:.0f} s") from None
    if isinstance(answer, KeyringUnusable):
        raise answer
    if isinstance(answer, Exception):
        raise KeyringUnusable(f"{type(answer).__name__}: {answer}") from answer
    return answer[0]
