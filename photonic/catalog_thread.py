"""What services ask of the catalog's thread: one method, so that a test may be the thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from photonic.crdt.catalog import Catalog

T = TypeVar("T")


class CatalogThread(Protocol):
    """Implemented by `keeper.Keeper`."""

    async def call(self, work: Callable[[Catalog], T]) -> T:
        """Run `work` where the catalog lives; return when what it wrote is durable.

        Cancelling stops the wait, not the work. Raises what `work` or the commit raised.
        """
        ...
