"""What an installation's keeper does by hand: python -m backend --help."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from backend import backup, export, intake, retention, tokens
from backend.store.engine import open_store
from worker.contract.settings import Settings


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend")
    commands = parser.add_subparsers(required=True)
    for part in (tokens, backup, export, intake, retention):
        part.add_to(commands)
    given = parser.parse_args(arguments)
    try:
        settings = Settings.from_env()
        with closing(open_store(settings)) as store:
            print(given.run(settings, store, given))
    except ValidationError as error:
        first = error.errors()[0]
        return _refuse(f"NORMSCOPE_{str(first['loc'][0]).upper()}: {first['msg']}")
    except SQLAlchemyError as error:
        return _refuse(f"the database cannot be opened ({type(error).__name__})")
    except (ValueError, OSError) as error:
        return _refuse(str(error))
    return 0


def _refuse(reason: str) -> int:
    print(f"backend: {reason}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
