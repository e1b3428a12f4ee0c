"""Whether a worker or a desk of this host shows itself at the broker: its container's health check.

python -m worker.alive worker|desk
"""

from __future__ import annotations

import socket
import sys

import redis

from worker.broker import connect
from worker.contract import wire
from worker.contract.settings import Settings

KEYS = {"worker": wire.worker_key, "desk": wire.desk_key}


def main(who: str) -> int:
    """0 while a card is there: it expires soon after the last process that renewed it ended."""
    url = Settings.from_env().redis_url or ""
    try:
        cards = connect(url).scan_iter(KEYS[who](f"{socket.gethostname()}-*"), count=1000)
        return 0 if any(cards) else 1
    except redis.RedisError:
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
