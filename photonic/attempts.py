"""Who did wrong lately, in bounded memory: whom to bar for a while, and what to tell only once.

Pure: time comes in as a function. Where more keys do wrong than are kept, the longest quiet ones
are forgotten.
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Callable

from photonic import limits

_IPV6_NETWORK_BITS = 64  # whoever has one address has all of these


class Attempts:
    """Counts for each key within a window that begins with the first attempt."""

    def __init__(
        self,
        now_s: Callable[[], float],
        window_s: float = limits.WRONG_TOKENS_WINDOW_S,
        count_max: int = limits.WRONG_TOKENS_MAX,
        keys_max: int = limits.WRONG_TOKENS_ADDRESSES_MAX,
    ) -> None:
        self._now_s, self._window_s = now_s, window_s
        self._count_max, self._keys_max = count_max, keys_max
        self._seen: OrderedDict[str, tuple[float, int]] = OrderedDict()  # since when, how many

    def __len__(self) -> int:
        return len(self._seen)

    def note(self, key: str) -> int:
        """Count one more; return how many there were within the window."""
        now_s = self._now_s()
        since_s, count = self._seen.pop(key, (now_s, 0))
        if now_s - since_s >= self._window_s:
            since_s, count = now_s, 0
        self._seen[key] = (since_s, count + 1)
        while len(self._seen) > self._keys_max:
            self._seen.popitem(last=False)
        return count + 1

    def is_first(self, key: str) -> bool:
        """Count one more; tell whether it is the first of its window, and so worth telling."""
        return self.note(key) == 1

    def wait_s(self, key: str) -> float:
        """Return for how long this key is barred; 0: it is not."""
        since_s, count = self._seen.get(key, (0.0, 0))
        return max(0.0, since_s + self._window_s - self._now_s()) if count >= self._count_max else 0


def network_of(address: str) -> str:
    """Return what stands for an address here: itself, or the network of an IPv6 one."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, _IPV6_NETWORK_BITS), strict=False))
    return str(ip)
