"""What device a job needs, and whether it is a long one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("job", sa.Column("needs", sa.String(8), nullable=False, server_default="any"))
    op.add_column("job", sa.Column("long", sa.Boolean, nullable=False, server_default=sa.false()))
    job = sa.table("job", sa.column("needs", sa.String), sa.column("spec", sa.Text))
    asks = job.c.spec.contains('"device":"cuda"', autoescape=True)
    op.execute(job.update().where(asks).values(needs="cuda"))


def downgrade() -> None:
    op.drop_column("job", "long")
    op.drop_column("job", "needs")
