"""`python -m frontend.serve`: the dashboard on NORMSCOPE_HOST:NORMSCOPE_PORT."""

from __future__ import annotations

import uvicorn

from frontend.app import create_app
from frontend.settings import Settings


def main() -> None:
    settings = Settings.from_env()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=0,  # an open event stream would hold the process
        timeout_keep_alive=30,
    )


if __name__ == "__main__":
    main()
