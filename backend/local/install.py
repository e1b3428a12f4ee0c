"""Set up `.venv` for one of pyproject.toml's extras; does nothing where it is up to date.

    python3.11 backend/local/install.py local|dev [browser]

Standard library only: it runs before anything is installed. Every failure is one clear line.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / ".venv"
BIN = VENV / "bin"
NEEDED_BYTES = 3 * 2**30
PINS = "constraints.txt"


class SetupError(Exception):
    """What to tell the person, in one line."""


def main(extra: str, browser: bool) -> None:
    require_python()
    with (ROOT / ".venv.lock").open("w") as lock:
        wait_for(lock)
        stamp = VENV / f".installed-{extra}"
        if not stamp.exists() or stamp.read_text() != fingerprint():
            install(extra)
            stamp.write_text(fingerprint())
        if browser:
            require_browser()


def require_python() -> None:
    if sys.version_info[:2] != (3, 11):
        found = f"{sys.version_info[0]}.{sys.version_info[1]}"
        raise SetupError(f"Normscope needs Python 3.11; {sys.executable} is {found}.")


def wait_for(lock: IO[str]) -> None:
    """One set-up at a time: a second one waits for the first."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Another set-up of this checkout is under way; waiting for it.")
        fcntl.flock(lock, fcntl.LOCK_EX)


def fingerprint() -> str:
    """Changes when a pin, an extra or the interpreter does."""
    texts = [(ROOT / name).read_bytes() for name in (PINS, "pyproject.toml")]
    return hashlib.sha256(b"".join([*texts, sys.version.encode()])).hexdigest()


def install(extra: str) -> None:
    """torch first and alone: whatever else asks for torch then finds it and leaves it be."""
    fresh = not (BIN / "python").exists()
    if fresh:
        free = shutil.disk_usage(ROOT).free
        if free < NEEDED_BYTES:
            raise SetupError(
                f"The set-up needs 3 GB of free disk space; {ROOT} has {free / 2**30:.1f} GB."
            )
        say("Making .venv")
        run(sys.executable, "-m", "venv", str(VENV), hint="is python3.11-venv installed?")
    torch = next(line for line in (ROOT / PINS).read_text().split() if line.startswith("torch=="))
    say(f"Installing {torch} (large; a few minutes on a slow line)")
    pip("install", torch)
    say("Installing the rest")
    pip("install", "-c", str(ROOT / PINS), "-e", f"{ROOT}[{extra}]")


def pip(*args: str) -> None:
    run(str(BIN / "python"), "-m", "pip", "-q", "--disable-pip-version-check", *args)


def run(*command: str, hint: str = "") -> None:
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if done.returncode == 0:
        return
    if "No space left" in done.stderr:
        raise SetupError(f"No disk space left while running {' '.join(command[1:4])}.")
    lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no message"]
    reason = next((line for line in lines if "ERROR" in line), lines[-1])
    raise SetupError(f"{' '.join(command[1:5])} failed: {reason} {hint}".rstrip())


def require_browser() -> None:
    """A Chromium for the browser tests: the system's, else Playwright's, else apt's as root."""
    if find_browser() or (playwrights() and find_browser()):
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        say("Installing chromium with apt-get")
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium")
    if not find_browser():
        raise SetupError(
            "The browser tests need Chromium: install the package `chromium`, or run"
            " `.venv/bin/playwright install chromium`."
        )


def playwrights() -> bool:
    say("Asking Playwright for its Chromium")
    command = [str(BIN / "playwright"), "install", "chromium"]
    return subprocess.run(command, capture_output=True).returncode == 0


def find_browser() -> str | None:
    """Where a Chromium lies, if any."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    caches = [Path.home() / ".cache/ms-playwright", Path.home() / "Library/Caches/ms-playwright"]
    for cache in caches:
        for pattern in ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/**/Chromium"):
            for path in cache.glob(pattern):
                return str(path)
    return None


def say(line: str) -> None:
    print(f"normscope: {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], "browser" in sys.argv[2:])
    except SetupError as error:
        sys.exit(f"normscope: {error}")
    except OSError as error:
        sys.exit(f"normscope: set-up failed: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
