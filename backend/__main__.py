"""What an installation's keeper does by hand: python -m backend --help."""

from __future__ import annotations

import argparse
import sys

from pydantic import ValidationError
from sqlalchemy.exc import SQLAlchemyError

from backend import tokens
from backend.store.engine import open_store
from worker.contract.settings import Settings


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m backend")
    tokens.add_to(parser.add_subparsers(required=True))
    given = parser.parse_args(arguments)
    try:
        store = open_store(Settings.from_env())
        print(given.run(store, given))
        store.close()
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
