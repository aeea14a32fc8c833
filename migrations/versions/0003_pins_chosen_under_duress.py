"""PINs that were chosen under duress

Revision 0003. It only adds a column: code of revision 0002 goes on working beside it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Brings the schema forward."""
    op.add_column("devices", sa.Column("forced_pin_hash", sa.String(length=200), nullable=True))


def downgrade() -> None:
    """Takes the schema back."""
    op.drop_column("devices", "forced_pin_hash")
