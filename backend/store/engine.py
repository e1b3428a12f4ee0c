"""Opening the database: SQLite in WAL mode or PostgreSQL, migrated to the newest form."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

from worker.contract.settings import Settings

MIGRATIONS = Path(__file__).with_name("migrations")
MIGRATION_LOCK = 0x4E53  # any number that all of ours agree on
PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=NORMAL",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "cache_size=-16000",
    "temp_store=MEMORY",
)


class Store:
    """The database as two kinds of transaction: one that reads a snapshot, one that writes."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        sqlite = engine.dialect.name == "sqlite"
        self._reading = engine.execution_options(
            **({} if sqlite else {"isolation_level": "REPEATABLE READ"})
        )
        self._writing = engine.execution_options(normscope_writes=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._reading.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        with self._writing.begin() as connection:
            yield connection

    def close(self) -> None:
        self.engine.dispose()


def open_store(settings: Settings) -> Store:
    """The store of an installation, made or migrated when it needs to be."""
    url = database_url(settings)
    engine = _sqlite(url) if url.get_backend_name() == "sqlite" else _postgresql(url)
    migrate(engine)
    return Store(engine)


def database_url(settings: Settings) -> URL:
    if settings.database_url is None:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        path = settings.data_dir.resolve() / "normscope.sqlite"
        return URL.create("sqlite", database=str(path))
    url = make_url(settings.database_url)
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    return url


def _sqlite(url: URL) -> Engine:
    engine = create_engine(url, connect_args={"check_same_thread": False}, pool_size=16)

    @event.listens_for(engine, "connect")
    def connected(connection: Any, _: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # A reader that turns into a writer would fail with SQLITE_BUSY_SNAPSHOT.
        writes = connection.get_execution_options().get("normscope_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql(url: URL) -> Engine:
    options = {"connect_timeout": 2, "options": "-c statement_timeout=30000"}
    return create_engine(url, connect_args=options, pool_pre_ping=True, pool_size=16)


def migrate(engine: Engine, to: str = "head") -> None:
    """Bring the database to the newest form, or to another; safe when several processes start at
    once."""
    config, known = _config(), ["base", *revisions(), "head"]
    with _only_one(engine), engine.connect() as connection:
        config.attributes["connection"] = connection
        now = MigrationContext.configure(connection).get_current_revision()
        back = now in known and known.index(to) < known.index(now)
        (command.downgrade if back else command.upgrade)(config, to)
        connection.commit()


def revisions() -> list[str]:
    """The forms that a database can have, the oldest first."""
    scripts = ScriptDirectory.from_config(_config()).walk_revisions()
    return [script.revision for script in scripts][::-1]


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    return config


@contextmanager
def _only_one(engine: Engine) -> Iterator[None]:
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
    else:
        with engine.connect() as connection:
            connection.execute(text(f"SELECT pg_advisory_lock({MIGRATION_LOCK})"))
            yield
            connection.execute(text(f"SELECT pg_advisory_unlock({MIGRATION_LOCK})"))
