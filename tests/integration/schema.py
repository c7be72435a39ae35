"""The schema as text, in an order of its own: what the migrations make, to be read and compared.

    PYTHONPATH=tests/integration python tests/integration/schema.py

writes it to schema.txt anew. Commit that together with the migration that changed it.
"""

import tempfile
from pathlib import Path
from typing import Final, LiteralString

import psycopg

from api.embedded import EmbeddedPostgres
from ledger.migrate import migrate

CHECKED_IN: Final = Path(__file__).with_name("schema.txt")

_TABLES: Final = """
    SELECT relname,
        CASE relkind WHEN 'r' THEN 'table ' WHEN 'v' THEN 'view ' ELSE relkind::text || ' ' END
        || relname || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '')
        || CASE WHEN relkind = 'v' THEN E'\n' || pg_get_viewdef(oid, true) ELSE '' END
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 't', 'c')
"""

_COLUMNS: Final = """
    SELECT relname || '.' || lpad(attnum::text, 3, '0'),
        'column ' || relname || '.' || attname || ' ' || format_type(atttypid, atttypmod)
        || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
        || coalesce(' DEFAULT ' || pg_get_expr(adbin, adrelid), '')
        || CASE WHEN attstorage = typstorage THEN '' ELSE ' STORAGE ' || attstorage::text END
    FROM pg_attribute
    INNER JOIN pg_class ON pg_class.oid = attrelid
    INNER JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
        AND attnum > 0 AND NOT attisdropped
"""

# NOT NULL is said with the column; PostgreSQL 18 lists it here too and 17 does not.
_CONSTRAINTS: Final = """
    SELECT conrelid::regclass::text || '.' || conname,
        'constraint ' || conrelid::regclass || '.' || conname || ' ' || pg_get_constraintdef(oid)
        || CASE WHEN convalidated THEN '' ELSE ' NOT VALID' END
    FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
"""

_INDEXES: Final = """
    SELECT tablename || '.' || indexname, indexdef
    FROM pg_indexes
    WHERE schemaname = 'public'
"""

_TRIGGERS: Final = """
    SELECT tgrelid::regclass::text || '.' || tgname,
        pg_get_triggerdef(oid) || CASE tgenabled WHEN 'O' THEN '' ELSE ' DISABLED' END
    FROM pg_trigger
    WHERE NOT tgisinternal
"""

_FUNCTIONS: Final = """
    SELECT oid::regprocedure::text, pg_get_functiondef(oid)
    FROM pg_proc
    WHERE pronamespace = 'public'::regnamespace
"""

# Whoever migrated owns everything; what that role is called is no part of the schema.
_GRANTS: Final = """
    SELECT granted_on || '.' || role,
        'grant ' || string_agg(privilege, ', ' ORDER BY privilege)
        || ' ON ' || granted_on || ' TO ' || role
    FROM (
        SELECT granted_on, privilege_type AS privilege,
            CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END AS role
        FROM (
            SELECT relname, relowner, relacl FROM pg_class
            WHERE relnamespace = 'public'::regnamespace
            UNION ALL
            SELECT 'SCHEMA public', nspowner, nspacl FROM pg_namespace
            WHERE nspname = 'public'
        ) AS object (granted_on, owner, acl), aclexplode(acl)
        WHERE grantee <> owner
    ) AS granted
    GROUP BY granted_on, role
"""

_OWNERS: Final = """
    SELECT DISTINCT '', 'everything is owned by the role that migrates: '
        || (relowner = current_user::regrole)
    FROM pg_class
    WHERE relnamespace = 'public'::regnamespace
"""

_ROLE: Final = """
    SELECT rolname, 'role ' || rolname || concat(
        CASE WHEN rolsuper THEN ' SUPERUSER' END,
        CASE WHEN rolcreaterole THEN ' CREATEROLE' END,
        CASE WHEN rolcreatedb THEN ' CREATEDB' END,
        CASE WHEN rolcanlogin THEN ' LOGIN' ELSE ' NOLOGIN' END,
        CASE WHEN rolreplication THEN ' REPLICATION' END,
        CASE WHEN rolbypassrls THEN ' BYPASSRLS' END
    )
    FROM pg_roles
    WHERE rolname = 'flashticket_app'
"""

_SECTIONS: Final[tuple[LiteralString, ...]] = (
    _ROLE,
    _OWNERS,
    _TABLES,
    _COLUMNS,
    _CONSTRAINTS,
    _INDEXES,
    _TRIGGERS,
    _FUNCTIONS,
    _GRANTS,
)


def schema_of(url: str) -> str:
    """Everything in the schema ``public`` of the database at ``url``, as its owner sees it."""
    with psycopg.connect(url) as connection:
        sections = [sorted(connection.execute(each).fetchall()) for each in _SECTIONS]
    return "\n".join("".join(f"{line.rstrip()}\n" for _, line in rows) for rows in sections)


def renew() -> None:
    with (
        tempfile.TemporaryDirectory() as data_dir,
        EmbeddedPostgres(Path(data_dir) / "postgres") as server,
    ):
        migrate(server.url())
        CHECKED_IN.write_text(schema_of(server.url()))


if __name__ == "__main__":
    renew()
