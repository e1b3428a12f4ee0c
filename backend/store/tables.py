"""The tables, one form for SQLite and PostgreSQL.

A measurement belongs to a series, which is one name of one attempt of a job. The narrow table of
points is clustered by (series, seq): one series is one range of it, and what is new after a
cursor is one short range for each of the job's few dozen series.
"""

from __future__ import annotations

from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.types import TypeDecorator


class Document(TypeDecorator[Any]):
    """JSON as text: the same bytes in either database, NUL escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else orjson.loads(value)


metadata = MetaData()

job = Table(
    "job",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("tries_from", Integer, nullable=False, server_default="0"),
    Column("name", Text, nullable=False),
    Column("tags", Document, nullable=False),
    Column("sweep", String(32)),
    Column("spec", Document, nullable=False),
    Column("source", Document),
    Column("estimate", Document),
    Column("catalogue", String(64)),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    Column("attempt_at", Double),
    Column("sent_at", Double, nullable=False),
    Column("cancel_at", Double),
    Column("worker", Text),
    Column("device", Text),
    Column("info", Document),
    Column("step", Integer),
    Column("steps", Integer),
    Column("epoch", Double),
    Column("epochs", Double),
    Column("eta_s", Double),
    Column("summary", Document, nullable=False),
    Column("error", Document),
    Column("message", Text, nullable=False),
    Column("told_attempt", Integer, nullable=False),
    Column("told_seq", Integer, nullable=False),
    Column("stream_id", String(48), nullable=False),
    Column("published", Boolean, nullable=False),
    Column("idempotency_key", String(200), unique=True),
    Column("request_hash", String(64)),
    Column("owner", String(32)),
    Column("priority", Integer, nullable=False, server_default="1"),
    Column("handed", Boolean, nullable=False, server_default=true()),
    Column("needs", String(8), nullable=False, server_default="any"),
    Column("long", Boolean, nullable=False, server_default=false()),
    Column("trace", String(64)),
    Index("job_by_created", "created_at", "id"),
    Index("job_by_state", "state", "created_at"),
    Index("job_by_published", "published"),
    Index("job_by_sweep", "sweep"),
    Index("job_waiting", "state", "handed", "priority", "owner", "sent_at"),
)

sweep = Table(
    "sweep",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", Text, nullable=False),
    Column("base", Document, nullable=False),
    Column("grid", Document, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("idempotency_key", String(200), unique=True),
    Column("request_hash", String(64)),
)

job_tag = Table(
    "job_tag",
    metadata,
    Column("job", ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("tag", Text, nullable=False),
    PrimaryKeyConstraint("tag", "job"),
    Index("job_tag_by_job", "job"),
)

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job", ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("job", "attempt", "name"),
)

point = Table(
    "point",
    metadata,
    Column("series", ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("epoch", Double, nullable=False),
    Column("time", Double, nullable=False),
    Column("value", Double),
    PrimaryKeyConstraint("series", "seq", postgresql_include=["step", "epoch", "time", "value"]),
    sqlite_with_rowid=False,
)
"""Scalars. A null value is NaN, which SQLite cannot hold."""

shape = Table(
    "shape",
    metadata,
    Column("series", ForeignKey("series.id", ondelete="CASCADE"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("step", Integer, nullable=False),
    Column("epoch", Double, nullable=False),
    Column("time", Double, nullable=False),
    Column("shape", String(16), nullable=False),
    Column("value", Document, nullable=False),
    PrimaryKeyConstraint("series", "seq"),
)
"""Curves, surfaces, tables, images: few and large."""

artifact = Table(
    "artifact",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("job", ForeignKey("job.id", ondelete="CASCADE"), nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("step", Integer, nullable=False),
    Column("created_at", Double, nullable=False),
    UniqueConstraint("job", "attempt", "name"),
)

token = Table(
    "token",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("role", String(8), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("made_at", Double, nullable=False),
    Column("revoked_at", Double),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", Double, nullable=False),
    Column("who", String(32), nullable=False),
    Column("role", String(8), nullable=False),
    Column("what", Text, nullable=False),
    Column("job", String(32)),
    Column("outcome", Integer, nullable=False),
    Index("audit_by_who", "who", "id"),
    Index("audit_by_job", "job", "id"),
)
