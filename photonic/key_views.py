"""What is shown of keys: the JSON of the REST face as values, as in views.py. Never a key."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyHolderView:
    """A member, or the library's authority, that was given a library key."""

    id: str
    name: str | None


@dataclass(frozen=True, slots=True)
class LibraryKeyView:
    """One library key. `current`: new words are sealed with it; `here`: this node can read it.

    `counts` is false for a key that only somebody gave who was revoked before: it is read with.
    """

    name: str
    number: int
    current: bool
    here: bool
    counts: bool
    holders: list[KeyHolderView]


@dataclass(frozen=True, slots=True)
class KeyFileView:
    """One secret of this node: what it is of (node, authority), and how it is kept.

    `kept` is file (readable by its owner only), passphrase, or keyring: under a passphrase that the
    system's keyring keeps.
    """

    secret: str
    path: str
    kept: str


@dataclass(frozen=True, slots=True)
class ResealedView:
    """Of how many photos something was sealed again."""

    photos: int


@dataclass(frozen=True, slots=True)
class KeysView:
    """The keys of a library as this node knows them, and its own.

    `sealed_fields` are those that are sealed from now on. `lacking`: members that may read and have
    not been given the current key yet. `unread`: photos of which something cannot be read here.
    """

    keys: list[LibraryKeyView]
    sealed_fields: list[str]
    lacking: list[KeyHolderView]
    unread: int
    files: list[KeyFileView]
