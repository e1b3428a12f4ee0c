"""Jobs, their tags, series of points and shapes, artifacts."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _jobs()
    _measurements()
    _artifacts()


def _jobs() -> None:
    op.create_table(
        "job",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("sweep", sa.String(32)),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("source", sa.Text),
        sa.Column("estimate", sa.Text),
        sa.Column("catalogue", sa.String(64)),
        sa.Column("created_at", sa.Double, nullable=False),
        *(sa.Column(name, sa.Double) for name in ("started_at", "ended_at", "attempt_at")),
        sa.Column("sent_at", sa.Double, nullable=False),
        sa.Column("cancel_at", sa.Double),
        *(sa.Column(name, sa.Text) for name in ("worker", "device", "info")),
        *(sa.Column(name, sa.Integer) for name in ("step", "steps")),
        *(sa.Column(name, sa.Double) for name in ("epoch", "epochs", "eta_s")),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("error", sa.Text),
        sa.Column("message", sa.Text, nullable=False),
        sa.Column("told_attempt", sa.Integer, nullable=False),
        sa.Column("told_seq", sa.Integer, nullable=False),
        sa.Column("stream_id", sa.String(48), nullable=False),
        sa.Column("published", sa.Boolean, nullable=False),
        sa.Column("idempotency_key", sa.String(200), unique=True),
        sa.Column("request_hash", sa.String(64)),
    )
    op.create_index("job_by_created", "job", ["created_at", "id"])
    op.create_index("job_by_state", "job", ["state", "created_at"])
    op.create_index("job_by_published", "job", ["published"])
    op.create_table(
        "job_tag",
        sa.Column(
            "job", sa.String(32), sa.ForeignKey("job.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("tag", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tag", "job"),
    )
    op.create_index("job_tag_by_job", "job_tag", ["job"])


def _measurements() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column(
            "job", sa.String(32), sa.ForeignKey("job.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.UniqueConstraint("job", "attempt", "name"),
    )
    op.create_table(
        "point",
        *_placed(),
        sa.Column("value", sa.Double),
        sa.PrimaryKeyConstraint(
            "series", "seq", postgresql_include=["step", "epoch", "time", "value"]
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "shape",
        *_placed(),
        sa.Column("shape", sa.String(16), nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("series", "seq"),
    )


def _placed() -> list[sa.Column[object]]:
    return [
        sa.Column(
            "series", sa.Integer, sa.ForeignKey("series.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("seq", sa.Integer, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Double, nullable=False),
        sa.Column("time", sa.Double, nullable=False),
    ]


def _artifacts() -> None:
    op.create_table(
        "artifact",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column(
            "job", sa.String(32), sa.ForeignKey("job.id", ondelete="CASCADE"), nullable=False
        ),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("created_at", sa.Double, nullable=False),
        sa.UniqueConstraint("job", "attempt", "name"),
    )


def downgrade() -> None:
    for table in ("artifact", "shape", "point", "series", "job_tag", "job"):
        op.drop_table(table)
