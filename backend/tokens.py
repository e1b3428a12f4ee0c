"""Tokens, made, listed and revoked by whoever may read the data directory and the database.

python -m backend tokens make --name alice --role read
python -m backend tokens list
python -m backend tokens revoke --name alice
"""

from __future__ import annotations

import argparse
import os

from backend.access import NAME, OWN_NAME, Role, digest, made
from backend.documents import moment
from backend.store import audit, tokens
from backend.store.engine import Store
from worker.contract.settings import Settings


def add_to(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The command's arguments; `run` of what they parse to does it."""
    group = commands.add_parser("tokens", help="who may come in").add_subparsers(required=True)
    make = group.add_parser("make", help="print a new token, once")
    make.add_argument("--name", required=True, help="small letters, digits, - and _; at most 32")
    make.add_argument("--role", choices=[str(role) for role in Role], required=True)
    make.set_defaults(run=_make)
    group.add_parser("list", help="names, roles, dates").set_defaults(run=_list)
    revoke = group.add_parser("revoke", help="shut a token out for good")
    revoke.add_argument("--name", required=True)
    revoke.set_defaults(run=_revoke)


def _make(_: Settings, store: Store, given: argparse.Namespace) -> str:
    """The token: it is nowhere else, the store keeps a hash. Raises ValueError."""
    name, role = str(given.name), str(given.role)
    if not NAME.fullmatch(name) or name == OWN_NAME:
        raise ValueError("a name is small letters, digits, - and _, and not `installation`")
    token = made(name)
    with store.write() as connection:
        if not tokens.make(connection, name, role, digest(token)):
            raise ValueError(f"{name} has a token; revoke it first, or take another name")
        audit.note(connection, _deed(f"tokens make {name} {role}"))
    return token


def _revoke(_: Settings, store: Store, given: argparse.Namespace) -> str:
    name = str(given.name)
    with store.write() as connection:
        if not tokens.revoke(connection, name):
            raise ValueError(f"no token in use is called {name!r}")
        audit.note(connection, _deed(f"tokens revoke {name}"))
    return f"{name} is shut out within seconds"


def _list(_: Settings, store: Store, given: argparse.Namespace) -> str:
    with store.read() as connection:
        rows = tokens.listing(connection)
    lines = ["name                             role    made                      revoked"]
    for row in rows:
        dates = f"{moment(row['made_at'])}  {moment(row['revoked_at']) or '-'}"
        lines.append(f"{row['name']:<32} {row['role']:<7} {dates}")
    return "\n".join(lines)


def _deed(what: str) -> audit.Deed:
    """Done by a person of this machine."""
    return audit.Deed(f"uid {os.getuid()}", "admin", what, None, 0)
