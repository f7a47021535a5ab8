"""
Which types of columns hold what Exact's fields hold, on each database.

Dates are moments in UTC without a zone, everywhere: most of Exact's dates are days at midnight UTC, and a column with a
zone would show the day before to whoever reads it west of Greenwich.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.types import TypeEngine

from airflow_provider_exact.client.serialisation import INTEGER_BITS

MYSQL = ("mysql", "mariadb")
# MariaDB and MySQL want a length for texts in a key.
KEY_LENGTH = 255


class _KeyText(mysql.VARCHAR):
    """Text that is compared by its bytes, since Exact tells A from a, and with the spaces at its end."""


@compiles(_KeyText, *MYSQL)
def _key_text(element: _KeyText, compiler: Any, **options: Any) -> str:
    dialect = compiler.dialect
    if dialect.is_mariadb:
        collation = "utf8mb4_nopad_bin"
    elif (dialect.server_version_info or ()) >= (8, 0, 17):
        collation = "utf8mb4_0900_bin"
    else:
        # It takes no account of spaces at the end, but is there in every version.
        collation = "utf8mb4_bin"
    text: str = compiler.visit_VARCHAR(mysql.VARCHAR(element.length, charset="utf8mb4", collation=collation), **options)
    return text


def column_type(edm: str | None, *, is_key: bool = False) -> TypeEngine[Any]:
    """Return the type of a new column for this Edm type; texts, and JSON of what is not known, are without a limit."""
    match edm:
        case "Guid":
            guid: TypeEngine[Any] = sa.String(36).with_variant(postgresql.UUID(as_uuid=False), "postgresql")
            return guid.with_variant(mysql.CHAR(36, charset="ascii"), *MYSQL)
        case "Byte" | "Int16":
            return sa.SmallInteger()
        case "Int32":
            return sa.Integer()
        case "Int64":
            return sa.BigInteger()
        case "Double":
            return sa.Double()
        case "Boolean":
            return sa.Boolean()
        case "DateTime":
            moment: TypeEngine[Any] = sa.DateTime().with_variant(postgresql.TIMESTAMP(precision=3), "postgresql")
            return moment.with_variant(mysql.DATETIME(fsp=3), *MYSQL)
        case "Binary":
            return sa.LargeBinary().with_variant(mysql.LONGBLOB(), *MYSQL)
    if is_key:
        key: TypeEngine[Any] = sa.String(KEY_LENGTH).with_variant(sa.Text(), "postgresql", "sqlite")
        return key.with_variant(_KeyText(KEY_LENGTH), *MYSQL)
    return sa.Text().with_variant(mysql.MEDIUMTEXT(), *MYSQL)


def holds(existing: TypeEngine[Any], edm: str | None, dialect: str) -> bool:
    """Whether a column that is there already takes every value of this Edm type as it is."""
    match edm:
        case "Guid":
            return isinstance(existing, sa.Uuid) or (_is_text(existing) and _length(existing) >= 36)
        case "Double":
            return isinstance(existing, sa.Double)
        case "Boolean":
            return isinstance(existing, sa.Boolean | mysql.TINYINT)
        case "DateTime" if dialect in MYSQL:
            return isinstance(existing, mysql.DATETIME) and (existing.fsp or 0) >= 3
        case "DateTime":
            return isinstance(existing, sa.DateTime) and not existing.timezone
        case "Binary":
            return isinstance(existing, sa.types._Binary)
    if edm in INTEGER_BITS:
        signed, bits = INTEGER_BITS[edm]
        return _bits(existing, dialect) >= bits + (not signed)
    return _is_text(existing)


def _is_text(existing: TypeEngine[Any]) -> bool:
    return isinstance(existing, sa.String) and not isinstance(existing, sa.Enum)


def _length(existing: TypeEngine[Any]) -> int:
    return getattr(existing, "length", None) or KEY_LENGTH


def _bits(existing: TypeEngine[Any], dialect: str) -> int:
    """How many bits of a whole number fit."""
    if not isinstance(existing, sa.Integer | mysql.TINYINT):
        return 0
    if isinstance(existing, sa.BigInteger) or dialect == "sqlite":
        return 64
    if isinstance(existing, mysql.TINYINT):
        return 8
    return 16 if isinstance(existing, sa.SmallInteger) else 24 if isinstance(existing, mysql.MEDIUMINT) else 32
