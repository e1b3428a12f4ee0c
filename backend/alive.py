"""Whether a recorder of this host gets through its rounds: its container's health check.

python -m backend.alive
"""

from __future__ import annotations

import socket
import sys

from redis import Redis
from redis.exceptions import RedisError

from worker.contract.settings import Settings
from worker.contract.wire import recorder_key


def main() -> int:
    """0 while a sign is there: it expires soon after the last round."""
    url = Settings.from_env().redis_url or ""
    try:
        with Redis.from_url(url, socket_timeout=2) as client:
            signs = client.scan_iter(recorder_key(f"{socket.gethostname()}-*"), count=1000)
            return 0 if any(signs) else 1
    except RedisError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
