"""Serve jobs from the queue until told to stop.

python -m worker.serve
"""

from __future__ import annotations

import signal
import sys

from pydantic import ValidationError

from worker.contract.settings import Settings


def main() -> int:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    settings = read_settings("worker")
    if settings is None:
        return 1
    from worker.tasks import serve

    return serve(settings)


def read_settings(who: str) -> Settings | None:
    """The settings with a broker's address, or None once a line has told what is wrong."""
    try:
        settings = Settings.from_env()
    except ValidationError as error:
        first = error.errors()[0]
        print(f"{who}: NORMSCOPE_{str(first['loc'][0]).upper()}: {first['msg']}", file=sys.stderr)
        return None
    if settings.redis_url is None:
        print(f"{who}: NORMSCOPE_REDIS_URL is not set; `make run` sets it", file=sys.stderr)
        return None
    return settings


if __name__ == "__main__":
    sys.exit(main())
