"""The form with tokens, owners and the audit log is reached and left with the jobs kept."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect, text

from backend.store import audit, jobs, tokens
from backend.store.engine import MIGRATIONS, Store, migrate
from tests.backend.test_store import add


def downgrade(store: Store, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with store.engine.connect() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)
        connection.commit()


def test_down_and_up_again_with_jobs(any_store: Store) -> None:
    add(any_store, "a", owner="alice")
    with any_store.write() as connection:
        assert tokens.make(connection, "alice", "submit", "0" * 64)
        audit.note(connection, audit.Deed("alice", "submit", "POST /api/v1/jobs", "a", 201))
    downgrade(any_store, "0003")
    assert not {"token", "audit"} & set(inspect(any_store.engine).get_table_names())
    with any_store.read() as connection:
        assert connection.execute(text("SELECT id FROM job")).scalars().all() == ["a"]
    migrate(any_store.engine)
    with any_store.read() as connection:
        row = jobs.get(connection, "a")
        assert row is not None
        assert row["owner"] is None
        assert tokens.listing(connection) == []
        assert audit.listing(connection, None, None, None, 9) == []
