"""`python -m frontend.serve`: the dashboard on NORMSCOPE_HOST:NORMSCOPE_PORT."""

from __future__ import annotations

import logging

import uvicorn

from frontend.app import create_app
from frontend.patience import Impatient
from frontend.settings import Settings

UPGRADES = ("Unsupported upgrade request", "No supported WebSocket library")
"""What uvicorn warns of whenever somebody asks for a WebSocket: here it is no fault."""


def main() -> None:
    settings = Settings.from_env()
    logging.getLogger("uvicorn.error").addFilter(expected)
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        http=Impatient,
        ws="none",
        timeout_graceful_shutdown=0,  # an open event stream would hold the process
        timeout_keep_alive=30,
    )


def expected(record: logging.LogRecord) -> bool:
    """Whether a line belongs into the log."""
    return not record.getMessage().startswith(UPGRADES)


if __name__ == "__main__":
    main()
