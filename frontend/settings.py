"""What the web process needs to know, read once from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class Settings:
    """Where to listen, where the API is, and which Host names to answer to."""

    host: str = "127.0.0.1"
    port: int = 8050
    api_url: str = "http://127.0.0.1:8000"
    allowed_hosts: frozenset[str] = LOOPBACK

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read NORMSCOPE_*; empty values count as absent."""
        env = os.environ if env is None else env
        host = env.get("NORMSCOPE_HOST") or "127.0.0.1"
        api_port = env.get("NORMSCOPE_API_PORT") or "8000"
        api_url = env.get("NORMSCOPE_API_URL") or f"http://127.0.0.1:{api_port}"
        further = (env.get("NORMSCOPE_ALLOWED_HOSTS") or "").split(",")
        named = {name.strip().lower() for name in [host, *further] if name.strip()}
        return cls(
            host=host,
            port=int(env.get("NORMSCOPE_PORT") or 8050),
            api_url=api_url.rstrip("/"),
            allowed_hosts=LOOPBACK | named,
        )
