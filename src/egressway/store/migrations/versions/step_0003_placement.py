"""Step 0003: places, slices and moves; until an operator says otherwise, everything is on `local`.

A default slice is stored as all ports there are, so that no other slice can be beside it; which of
them are used is the configuration's to say.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_NAME: Final = sa.String(length=63)
_MOMENT: Final = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Tables, their guards, and the placement of what there is."""
    op.add_column(
        "pool", sa.Column("overflow", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    op.add_column(
        "lease", sa.Column("is_draining", sa.Boolean(), server_default=sa.false(), nullable=False)
    )
    _location()
    _data_center()
    _server()
    _port_slice()
    _slice_move()
    if op.get_bind().dialect.name == "postgresql":
        _guard_in_postgresql()
    else:
        _guard_in_sqlite()
    _place_on_local()


def _location() -> None:
    op.create_table(
        "location",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("latitude", sa.Double(), nullable=False),
        sa.Column("longitude", sa.Double(), nullable=False),
        sa.Column("regions", sa.JSON(), nullable=False),
        sa.Column("created_on", _MOMENT, nullable=False),
        sa.Column("modified_on", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "latitude BETWEEN -90 AND 90", name=op.f("ck_location_latitude_in_degrees")
        ),
        sa.CheckConstraint(
            "longitude BETWEEN -180 AND 180", name=op.f("ck_location_longitude_in_degrees")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_location")),
    )


def _data_center() -> None:
    op.create_table(
        "data_center",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("location", _NAME, nullable=False),
        sa.Column("created_on", _MOMENT, nullable=False),
        sa.Column("modified_on", _MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["location"],
            ["location.name"],
            name=op.f("fk_data_center_location"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_data_center")),
    )
    op.create_index(op.f("ix_data_center_location"), "data_center", ["location"], unique=False)


def _server() -> None:
    op.create_table(
        "server",
        sa.Column("name", _NAME, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("data_center", _NAME, nullable=False),
        sa.Column("link", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_on", _MOMENT, nullable=False),
        sa.Column("modified_on", _MOMENT, nullable=False),
        sa.CheckConstraint("number >= 0", name=op.f("ck_server_number_from_zero")),
        sa.CheckConstraint(
            "state IN ('active', 'draining', 'revoked')", name=op.f("ck_server_state_is_known")
        ),
        sa.ForeignKeyConstraint(
            ["data_center"],
            ["data_center.name"],
            name=op.f("fk_server_data_center"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_server")),
        sa.UniqueConstraint("number", name=op.f("uq_server_number")),
    )
    op.create_index(op.f("ix_server_data_center"), "server", ["data_center"], unique=False)


def _port_slice() -> None:
    op.create_table(
        "port_slice",
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("server", _NAME, nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.CheckConstraint(
            "1 <= low AND low <= high AND high <= 65535", name=op.f("ck_port_slice_ports_in_order")
        ),
        sa.CheckConstraint(
            "NOT is_default OR (low = 1 AND high = 65535)",
            name=op.f("ck_port_slice_default_is_all_ports"),
        ),
        sa.ForeignKeyConstraint(
            ["ip"], ["lease.ip"], name=op.f("fk_port_slice_ip"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["server"], ["server.name"], name=op.f("fk_port_slice_server"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("ip", "low", name=op.f("pk_port_slice")),
    )
    op.create_index(op.f("ix_port_slice_server"), "port_slice", ["server"], unique=False)


def _slice_move() -> None:
    op.create_table(
        "slice_move",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("source", _NAME, nullable=False),
        sa.Column("target", _NAME, nullable=False),
        sa.Column("deadline", _MOMENT, nullable=False),
        sa.Column("created_on", _MOMENT, nullable=False),
        sa.CheckConstraint(
            "1 <= low AND low <= high AND high <= 65535", name=op.f("ck_slice_move_ports_in_order")
        ),
        sa.ForeignKeyConstraint(
            ["ip"], ["lease.ip"], name=op.f("fk_slice_move_ip"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["source"], ["server.name"], name=op.f("fk_slice_move_source"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["target"], ["server.name"], name=op.f("fk_slice_move_target"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slice_move")),
    )
    for column in ("ip", "source", "target"):
        op.create_index(op.f(f"ix_slice_move_{column}"), "slice_move", [column], unique=False)


_OVERLAPPING: Final = (
    "SELECT 1 FROM port_slice WHERE ip = NEW.ip AND low <= NEW.high AND NEW.low <= high"
)
_LOCATIONS: Final = """
    SELECT count(DISTINCT data_center.location) FROM port_slice
    JOIN server ON server.name = port_slice.server
    JOIN data_center ON data_center.name = server.data_center
    WHERE port_slice.ip = NEW.ip
"""


def _guard_in_sqlite() -> None:
    """SQLite has no constraint over two rows; triggers say no in the same words."""
    for verb, others in (("INSERT", ""), ("UPDATE", " AND rowid <> OLD.rowid")):
        op.execute(
            f"CREATE TRIGGER port_slice_overlap_{verb.lower()} BEFORE {verb} ON port_slice "
            f"WHEN EXISTS ({_OVERLAPPING}{others}) "
            "BEGIN SELECT RAISE(ABORT, 'port_slice_overlap'); END"
        )
        op.execute(
            f"CREATE TRIGGER port_slice_locations_{verb.lower()} AFTER {verb} ON port_slice "
            f"WHEN ({_LOCATIONS}) > 4 "
            "BEGIN SELECT RAISE(ABORT, 'port_slice_locations'); END"
        )


def _guard_in_postgresql() -> None:
    """Address and port as one number make ranges that need no extension to be told apart."""
    begin = "((ip::inet - '0.0.0.0'::inet) * 65536 + low)"
    end = "((ip::inet - '0.0.0.0'::inet) * 65536 + high)"
    op.execute(
        "ALTER TABLE port_slice ADD CONSTRAINT port_slice_overlap "
        f"EXCLUDE USING gist (int8range({begin}, {end}, '[]') WITH &&)"
    )
    op.execute(
        "CREATE FUNCTION port_slice_locations() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF ({_LOCATIONS}) > 4 THEN "
        "RAISE EXCEPTION 'port_slice_locations' USING ERRCODE = 'check_violation'; "
        "END IF; RETURN NEW; END $$"
    )
    op.execute(
        "CREATE TRIGGER port_slice_locations AFTER INSERT OR UPDATE ON port_slice "
        "FOR EACH ROW EXECUTE FUNCTION port_slice_locations()"
    )


_PLACES: Final = (
    "INSERT INTO location (name, latitude, longitude, regions, created_on, modified_on) "
    "VALUES ('local', 0, 0, '[]', :now, :now)",
    "INSERT INTO data_center (name, location, created_on, modified_on) "
    "VALUES ('local', 'local', :now, :now)",
    "INSERT INTO server (name, number, data_center, state, epoch, created_on, modified_on) "
    "VALUES ('local', 0, 'local', 'active', 0, :now, :now)",
)


def _place_on_local() -> None:
    now = sa.bindparam("now", datetime.now(UTC), _MOMENT)
    for statement in _PLACES:
        op.execute(sa.text(statement).bindparams(now))
    op.execute(
        "INSERT INTO port_slice (ip, low, high, server, is_default) "
        "SELECT ip, 1, 65535, 'local', true FROM lease WHERE ip NOT LIKE '%:%'"
    )
