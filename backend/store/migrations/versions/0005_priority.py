"""Priorities, and which waiting jobs the broker was handed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("priority", sa.Integer, nullable=False, server_default="1"))
    handed = sa.Column("handed", sa.Boolean, nullable=False, server_default=sa.true())
    op.add_column("job", handed)  # the broker had been handed every job there was
    op.create_index("job_waiting", "job", ["state", "handed", "priority", "owner", "sent_at"])


def downgrade() -> None:
    op.drop_index("job_waiting", "job")
    op.drop_column("job", "handed")
    op.drop_column("job", "priority")
