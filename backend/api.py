"""Serve REST v1 until told to stop.

python -m backend.api
"""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType

import uvicorn
from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from backend.app import create_app
from backend.auth import Gate
from backend.first_token import token_of
from backend.patience import Impatient
from backend.queue import Queue
from backend.retention import keep_clean
from backend.store.engine import open_store
from worker.contract import catalog, traces
from worker.contract.settings import Settings

IDLE_S = 30
"""How long a connection may lie unused: longer than a client keeps one (the front end 5 s), or a
request now and then would meet a connection that is just being closed."""


class Server(uvicorn.Server):
    """Lets event streams end before it waits for open connections."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        gate = self.config.app
        assert isinstance(gate, Gate)
        gate.app.state.hub.end()  # type: ignore[attr-defined]
        super().handle_exit(sig, frame)


def main() -> int:
    try:
        settings = Settings.from_env()
        return serve(settings)
    except ValidationError as error:
        first = error.errors()[0]
        return _refuse(f"NORMSCOPE_{str(first['loc'][0]).upper()}: {first['msg']}")
    except (ValueError, OSError) as error:
        return _refuse(str(error))
    except SQLAlchemyError as error:
        return _refuse(f"the database cannot be opened ({type(error).__name__})")


def serve(settings: Settings) -> int:
    if settings.redis_url is None:
        return _refuse("NORMSCOPE_REDIS_URL is not set; `make run` sets it")
    traces.begin("api")
    token, store = token_of(settings), open_store(settings)
    app = create_app(settings, store, Queue(settings.redis_url), catalog.load(), token)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.api_port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=2,
        timeout_keep_alive=IDLE_S,
        server_header=False,
        http=Impatient,
        ws="none",
    )
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)  # uvicorn raises it once more when it has ended
    stop = threading.Event()
    threading.Thread(target=keep_clean, args=(settings, store, stop), daemon=True).start()
    Server(config).run()
    stop.set()
    store.close()
    traces.end()
    return 0


def _refuse(reason: str) -> int:
    print(f"api: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
