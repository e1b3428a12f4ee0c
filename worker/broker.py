"""A connection to the broker."""

from __future__ import annotations

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry


def connect(url: str) -> redis.Redis:
    """A client that gives up quickly: whoever uses it knows how to wait."""
    retry = Retry(ConstantBackoff(0.05), 2)
    return redis.Redis.from_url(url, socket_timeout=5, socket_connect_timeout=1, retry=retry)
