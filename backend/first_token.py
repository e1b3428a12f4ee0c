"""The installation's own token: set by a person, or made at the first start and kept in a file."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

from worker.contract.settings import Settings

TOKEN = re.compile(r"[!-~]{16,}")


def token_of(settings: Settings) -> str:
    """The installation's token, made when there is none.

    Raises ValueError where the API would be open to other machines under a token that nobody set,
    and where the file of the token holds none.
    """
    if settings.token is not None:
        return settings.token
    if not settings.on_loopback:
        raise ValueError("NORMSCOPE_TOKEN must be set to listen on more than this machine")
    return stored_token(settings.data_dir / "token")


def stored_token(path: Path) -> str:
    """The token kept in a file that its owner alone can read, made at the first start.

    Raises ValueError for a file without one: an empty token would let everybody in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".token-{os.getpid()}-{secrets.token_hex(4)}")
    if not path.exists():
        with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(24))
        try:
            os.link(made, path)  # atomic: whoever comes second reads the first one's
        except FileExistsError:
            pass
        finally:
            made.unlink()
    token = path.read_text(errors="replace").strip()
    if not TOKEN.fullmatch(token):
        raise ValueError(f"{path} holds no token (16 letters or more); remove it to have one made")
    return token
