"""Curves that were thinned before and have not grown since, as the JSON that they became."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock

MOST_BYTES = 32 << 20


class Thinned:
    """The newest `most` bytes of them: to thin a curve costs a thousand times what it takes to see
    that it is the same."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._bytes = 0
        self._found: OrderedDict[Hashable, tuple[Hashable, bytes]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, stamp: Hashable, make: Callable[[], bytes]) -> bytes:
        """What is kept under a key where its stamp is still the same, else made anew."""
        with self._lock:
            kept = self._found.get(key)
            if kept is not None and kept[0] == stamp:
                self._found.move_to_end(key)
                return kept[1]
        made = make()
        with self._lock:
            self._keep(key, stamp, made)
        return made

    def _keep(self, key: Hashable, stamp: Hashable, made: bytes) -> None:
        _, old = self._found.pop(key, (None, b""))
        self._found[key] = (stamp, made)
        self._bytes += len(made) - len(old)
        while self._bytes > self._most:
            _, (_, oldest) = self._found.popitem(last=False)
            self._bytes -= len(oldest)
