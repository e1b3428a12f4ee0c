"""Pages, filters and orders of jobs, in either database."""

from __future__ import annotations

from typing import Any

import pytest

from backend.store import jobs
from backend.store.engine import Store
from tests.backend.test_store import add, new_job


@pytest.mark.parametrize("sort", sorted(jobs.SORTS))
def test_pages_hold_every_job_once(any_store: Store, sort: str) -> None:
    with any_store.write() as connection:
        for index in range(25):
            jobs.add(connection, new_job(f"j{index:02}", name=f"n{index % 4}"))
    seen: list[str] = []
    cursor: str | None = None
    while True:
        with any_store.read() as connection:
            rows, cursor = jobs.listing(connection, jobs.Filter(), sort, 7, cursor)
        seen += [row["id"] for row in rows]
        if cursor is None:
            break
    assert sorted(seen) == [f"j{index:02}" for index in range(25)]


def test_filters_combine(any_store: Store) -> None:
    add(any_store, "a", tags=["red", "100%"], name="first")
    add(any_store, "b", tags=["red"], name="Second_one", kind="attack")
    add(any_store, "c")

    def found(**where: Any) -> set[str]:
        with any_store.read() as connection:
            page, _ = jobs.listing(connection, jobs.Filter(**where), "-created_at", 50, None)
        return {row["id"] for row in page}

    assert found(tag=["red"]) == {"a", "b"}
    assert found(tag=["red", "100%"]) == {"a"}
    assert found(tag=["re"]) == set()
    assert found(kind=["attack"]) == {"b"}
    assert found(state=["queued", "failed"]) == {"a", "b", "c"}
    assert found(state=["failed"]) == set()
    assert found(id=["a", "c", "gone"]) == {"a", "c"}
    assert found(q="second") == {"b"}
    assert found(q="%") == {"a"}
    assert found(q="d_o") == {"b"}
    assert found(tag=["red"], kind=["train"], q="fir") == {"a"}


def test_a_page_holds_the_matching_jobs_alone(any_store: Store) -> None:
    with any_store.write() as connection:
        for index in range(1_000):
            tags = ["even"] if index % 2 == 0 else []
            jobs.add(connection, new_job(f"j{index}", name=f"name {index % 97}", tags=tags))
    where = jobs.Filter(state=["queued"], tag=["even"], q="name 1")
    for sort in ("-created_at", "name"):
        with any_store.read() as connection:
            rows, _ = jobs.listing(connection, where, sort, 50, None)
        assert len(rows) == 50
        assert all("even" in row["tags"] and "name 1" in row["name"] for row in rows)
