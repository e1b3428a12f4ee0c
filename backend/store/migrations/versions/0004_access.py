"""Tokens with roles, whose jobs are whose, and the audit log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "token",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("revoked_at", sa.Double),
    )
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("who", sa.String(32), nullable=False),
        sa.Column("role", sa.String(8), nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("job", sa.String(32)),
        sa.Column("outcome", sa.Integer, nullable=False),
    )
    op.create_index("audit_by_who", "audit", ["who", "id"])
    op.create_index("audit_by_job", "audit", ["job", "id"])
    op.add_column("job", sa.Column("owner", sa.String(32)))


def downgrade() -> None:
    op.drop_column("job", "owner")
    op.drop_table("audit")
    op.drop_table("token")
