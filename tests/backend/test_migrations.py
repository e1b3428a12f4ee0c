"""Every form that a database ever had is reached and left with rows in it, in either database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from backend.store import dump
from backend.store.engine import Store, migrate, revisions
from backend.store.tables import metadata
from tests.backend.populated import contents, numbering, populate

KEPT = {"job", "job_tag", "series", "point", "shape", "artifact"}
"""Since the first form: what jobs are and what they measured."""


def cells(store: Store, table: str) -> list[Any]:
    return contents(store)[table]


def stripped(rows: list[Any], columns: set[str]) -> list[Any]:
    """The rows without what one of two forms does not have."""
    return [[cell for cell in row if cell[0] in columns] for row in rows]


def columns(store: Store, table: str) -> set[str]:
    return {column["name"] for column in inspect(store.engine).get_columns(table)}


def test_down_to_the_first_form_and_up_again_step_by_step(any_store: Store, tmp_path: Path) -> None:
    populate(any_store, tmp_path)
    before = contents(any_store)
    forms = revisions()
    kept = {table: columns(any_store, table) for table in KEPT}
    for form in [*forms[-2::-1], *forms[1:]]:
        migrate(any_store.engine, form)
        with any_store.read() as connection:
            assert dump.revision(connection) == form
        for table in KEPT:
            kept[table] &= columns(any_store, table)
            assert len(kept[table]) > 1
            rows = (
                stripped(found, kept[table]) for found in (cells(any_store, table), before[table])
            )
            assert next(rows) == next(rows), (form, table)
    with any_store.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    assert numbering(any_store)[1] == len(before["series"]) + 1


def test_to_nothing_and_back(any_store: Store, tmp_path: Path) -> None:
    populate(any_store, tmp_path)
    migrate(any_store.engine, "base")
    assert set(inspect(any_store.engine).get_table_names()) == {"alembic_version"}
    migrate(any_store.engine)
    populate(any_store, tmp_path / "again")
    assert set(contents(any_store)) == set(metadata.tables)


@pytest.mark.parametrize("form", revisions())
def test_from_each_form_straight_to_the_newest(any_store: Store, tmp_path: Path, form: str) -> None:
    populate(any_store, tmp_path)
    jobs = len(contents(any_store)["job"])
    migrate(any_store.engine, form)
    migrate(any_store.engine)
    assert len(cells(any_store, "job")) == jobs
