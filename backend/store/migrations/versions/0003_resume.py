"""Lost attempts are counted from the last time somebody resumed the job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("tries_from", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    op.drop_column("job", "tries_from")
