"""The trace that a job belongs to, as W3C's traceparent."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("trace", sa.String(64)))


def downgrade() -> None:
    op.drop_column("job", "trace")
