"""Start the whole explorer under one supervisor, tell its address, and end it without a trace.

python -m backend.local.up
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from pydantic import ValidationError

from backend.first_token import stored_token
from backend.local.supervise import Supervisor, processes
from worker.contract.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
NEEDED_BYTES = 200 * 2**20
READY_S = 120.0


class StartError(Exception):
    """What to tell the person, in one line."""


def main() -> int:
    """Run until a signal or a hopeless process ends it; the exit code says which."""
    settings = read_settings()
    if settings.token is None and not settings.on_loopback:
        raise StartError("NORMSCOPE_TOKEN must be set to listen on more than this machine")
    data_dir = settings.data_dir.resolve()
    prepare(data_dir)
    with only_one(data_dir, address(settings)):
        require_free(settings.host, settings.port, "NORMSCOPE_PORT")
        require_free(settings.host, settings.api_port, "NORMSCOPE_API_PORT")
        env = environment(settings, data_dir)
        with (data_dir / "logs" / "supervisor.log").open("a") as log:
            return supervise(env, log, address(settings))


def read_settings() -> Settings:
    try:
        return Settings.from_env()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"NORMSCOPE_{str(first['loc'][0]).upper()}"
        raise StartError(f"{name}: {first['msg']}") from error


def prepare(data_dir: Path) -> None:
    """Make the data directory; refuse where there is no room to work."""
    (data_dir / "logs").mkdir(parents=True, exist_ok=True)
    data_dir.chmod(0o700)
    free = shutil.disk_usage(data_dir).free
    if free < NEEDED_BYTES:
        raise StartError(f"No disk space: {data_dir} has {free >> 20} MB free, 200 MB are needed.")


@contextlib.contextmanager
def only_one(data_dir: Path, url: str) -> Iterator[None]:
    """Hold the data directory; StartError says where it runs if another holds it."""
    with (data_dir / "run.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise StartError(f"Normscope runs already: {lock.read() or data_dir}") from None
        lock.truncate(0)
        lock.write(f"{url} (process {os.getpid()}, data in {data_dir})")
        lock.flush()
        yield


def require_free(host: str, port: int, name: str) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StartError(
                f"Port {port} cannot be used ({error.strerror}); set {name} to another."
            ) from error


def environment(settings: Settings, data_dir: Path) -> dict[str, str]:
    """What every process of the Procfile sees."""
    try:
        token = settings.token or stored_token(data_dir / "token")
    except ValueError as error:
        raise StartError(str(error)) from error
    env = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "PYTHONUNBUFFERED": "1",
        "NORMSCOPE_SUPERVISOR": str(os.getpid()),
        "NORMSCOPE_LOGS": str(data_dir / "logs"),
        "NORMSCOPE_DATA_DIR": str(data_dir),
        "NORMSCOPE_TOKEN": token,
    }
    if settings.redis_url is None:
        password, port = secrets.token_urlsafe(24), free_port()
        env["NORMSCOPE_REDIS_PORT"], env["NORMSCOPE_REDIS_PASSWORD"] = str(port), password
        env["NORMSCOPE_REDIS_URL"] = f"redis://:{password}@127.0.0.1:{port}/0"
    return env


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.port}"


def supervise(env: Mapping[str, str], log: IO[str], url: str) -> int:
    """Run the Procfile's processes until a signal comes (0) or one of them keeps ending (1)."""
    procfile = processes((ROOT / "Procfile").read_text())
    if "NORMSCOPE_REDIS_PORT" not in env:
        del procfile["broker"]
    threading.Thread(target=announce, args=(env, url), daemon=True).start()
    if Supervisor(procfile, env, log).run():
        return 0
    tell(f"Normscope stopped because a process kept ending; see {log.name}.")
    return 1


def announce(env: Mapping[str, str], url: str) -> None:
    """Print the one line that matters once the explorer is ready."""
    request = urllib.request.Request(
        f"{url}/api/v1/readyz", headers={"Authorization": f"Bearer {env['NORMSCOPE_TOKEN']}"}
    )
    began = time.monotonic()
    while time.monotonic() - began < READY_S:
        try:
            with urllib.request.urlopen(request, timeout=2):
                tell(f"Normscope is ready: {url}/?token={env['NORMSCOPE_TOKEN']}")
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
    tell(f"Normscope is not ready after {READY_S:.0f} s; see {env['NORMSCOPE_LOGS']}.")


def tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except StartError as error:
        sys.exit(f"normscope: {error}")
    except OSError as error:
        sys.exit(f"normscope: cannot start: {error}")
