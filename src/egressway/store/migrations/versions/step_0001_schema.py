"""Step 0001: the whole schema. Written out, so that it stays what it was when `schema` moves on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Each table after those it points to."""
    _account()
    _token()
    _zone()
    _host()
    _dns_record()
    _certificate()
    _lease()
    _pool()
    _pool_ip()
    _pool_grant()
    _zone_aegis()
    _zone_setting()
    _change()


def _account() -> None:
    op.create_table(
        "account",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("abuse_contact_email", sa.String(length=255), nullable=True),
        sa.Column("enforce_twofactor", sa.Boolean(), nullable=False),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_account")),
    )


def _token() -> None:
    op.create_table(
        "token",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("is_operator", sa.Boolean(), nullable=False),
        sa.Column("is_disabled", sa.Boolean(), nullable=False),
        sa.Column("policies", sa.JSON(), nullable=False),
        sa.Column("request_ip", sa.JSON(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_on", sa.DateTime(timezone=True), nullable=True),
        sa.Column("issued_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT is_operator OR account_id IS NULL", name=op.f("ck_token_operator_has_no_account")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_token_account_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("sha256", name=op.f("uq_token_sha256")),
    )
    op.create_index(op.f("ix_token_account_id"), "token", ["account_id"], unique=False)


def _zone() -> None:
    op.create_table(
        "zone",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("activated_on", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_zone_account_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zone")),
        sa.UniqueConstraint("name", name=op.f("uq_zone_name")),
    )
    op.create_index(op.f("ix_zone_account_id"), "zone", ["account_id"], unique=False)
    op.create_index("ix_zone_created_on_id", "zone", ["created_on", "id"], unique=False)


def _host() -> None:
    op.create_table(
        "host",
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zone.id"], name=op.f("fk_host_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_host")),
        sa.UniqueConstraint("name", "zone_id", name=op.f("uq_host_name_zone_id")),
    )
    op.create_index(op.f("ix_host_zone_id"), "host", ["zone_id"], unique=False)


def _dns_record() -> None:
    op.create_table(
        "dns_record",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=253), nullable=False),
        sa.Column("content", sa.String(length=2048), nullable=False),
        sa.Column("ttl", sa.Integer(), nullable=False),
        sa.Column("proxied_name", sa.String(length=253), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=True),
        sa.Column("comment", sa.String(length=500), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("origin_port", sa.Integer(), nullable=True),
        sa.Column("origin_scheme", sa.String(length=32), nullable=True),
        sa.Column("origin_sni", sa.String(length=253), nullable=True),
        sa.Column("origin_host", sa.String(length=253), nullable=True),
        sa.Column("origin_http2", sa.Boolean(), nullable=True),
        sa.Column("origin_verify", sa.String(length=32), nullable=True),
        sa.Column("ipv4_only", sa.Boolean(), nullable=True),
        sa.Column("ipv6_only", sa.Boolean(), nullable=True),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("comment_modified_on", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tags_modified_on", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "proxied_name IS NULL OR type IN ('A', 'AAAA')",
            name=op.f("ck_dns_record_only_addresses_are_proxied"),
        ),
        sa.CheckConstraint(
            "proxied_name IS NULL OR proxied_name = name",
            name=op.f("ck_dns_record_proxied_name_is_name"),
        ),
        sa.ForeignKeyConstraint(
            ["proxied_name", "zone_id"],
            ["host.name", "host.zone_id"],
            name=op.f("fk_dns_record_proxied_name_zone_id"),
        ),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zone.id"], name=op.f("fk_dns_record_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dns_record")),
        sa.UniqueConstraint(
            "zone_id",
            "name",
            "type",
            "content",
            name=op.f("uq_dns_record_zone_id_name_type_content"),
        ),
    )
    op.create_index(
        "ix_dns_record_proxied_name_zone_id",
        "dns_record",
        ["proxied_name", "zone_id"],
        unique=False,
    )


def _certificate() -> None:
    op.create_table(
        "certificate",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.Column("hosts", sa.JSON(), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("issuer", sa.Text(), nullable=False),
        sa.Column("signature", sa.String(length=32), nullable=False),
        sa.Column("bundle_method", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uploaded_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zone.id"], name=op.f("fk_certificate_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_certificate")),
    )
    op.create_index(op.f("ix_certificate_zone_id"), "certificate", ["zone_id"], unique=False)


def _lease() -> None:
    op.create_table(
        "lease",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_lease_account_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lease")),
        sa.UniqueConstraint("id", "ip", name=op.f("uq_lease_id_ip")),
        sa.UniqueConstraint("ip", name=op.f("uq_lease_ip")),
    )
    op.create_index(op.f("ix_lease_account_id"), "lease", ["account_id"], unique=False)


def _pool() -> None:
    op.create_table(
        "pool",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("source IN ('leased', 'byoip')", name=op.f("ck_pool_source_is_known")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["account.id"], name=op.f("fk_pool_account_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pool")),
        sa.UniqueConstraint("id", "source", name=op.f("uq_pool_id_source")),
    )
    op.create_index(op.f("ix_pool_account_id"), "pool", ["account_id"], unique=False)


def _pool_ip() -> None:
    op.create_table(
        "pool_ip",
        sa.Column("ip", sa.String(length=45), nullable=False),
        sa.Column("pool_id", sa.String(length=32), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("lease_id", sa.String(length=32), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "(source = 'leased') = (lease_id IS NOT NULL)",
            name=op.f("ck_pool_ip_leased_means_with_lease"),
        ),
        sa.ForeignKeyConstraint(
            ["lease_id", "ip"],
            ["lease.id", "lease.ip"],
            name=op.f("fk_pool_ip_lease_id_ip"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["pool_id", "source"],
            ["pool.id", "pool.source"],
            name=op.f("fk_pool_ip_pool_id_source"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("ip", name=op.f("pk_pool_ip")),
    )
    op.create_index("ix_pool_ip_lease_id", "pool_ip", ["lease_id"], unique=False)
    op.create_index("ix_pool_ip_pool_id", "pool_ip", ["pool_id"], unique=False)


def _pool_grant() -> None:
    op.create_table(
        "pool_grant",
        sa.Column("pool_id", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.String(length=32), nullable=False),
        sa.Column("created_on", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["account.id"],
            name=op.f("fk_pool_grant_account_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["pool.id"], name=op.f("fk_pool_grant_pool_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pool_id", "account_id", name=op.f("pk_pool_grant")),
    )
    op.create_index(op.f("ix_pool_grant_account_id"), "pool_grant", ["account_id"], unique=False)


def _zone_aegis() -> None:
    op.create_table(
        "zone_aegis",
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("pool_id", sa.String(length=32), nullable=True),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "NOT enabled OR pool_id IS NOT NULL", name=op.f("ck_zone_aegis_enabled_has_pool")
        ),
        sa.ForeignKeyConstraint(
            ["pool_id"], ["pool.id"], name=op.f("fk_zone_aegis_pool_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zone.id"], name=op.f("fk_zone_aegis_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("zone_id", name=op.f("pk_zone_aegis")),
    )
    op.create_index(op.f("ix_zone_aegis_pool_id"), "zone_aegis", ["pool_id"], unique=False)


def _zone_setting() -> None:
    op.create_table(
        "zone_setting",
        sa.Column("zone_id", sa.String(length=32), nullable=False),
        sa.Column("setting_id", sa.String(length=64), nullable=False),
        sa.Column("value", sa.JSON(), nullable=False),
        sa.Column("modified_on", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["zone_id"], ["zone.id"], name=op.f("fk_zone_setting_zone_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("zone_id", "setting_id", name=op.f("pk_zone_setting")),
    )


def _change() -> None:
    op.create_table(
        "change",
        sa.Column(
            "revision",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=True,
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("object_id", sa.String(length=64), nullable=False),
        sa.Column("zone_id", sa.String(length=32), nullable=True),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("revision", name=op.f("pk_change")),
        sqlite_autoincrement=True,
    )
