"""Words and SQL: the glossary holds, and SQL stays in files that say what they cost."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("ledger", "projections", "api")
GLOSSARY = ROOT / "docs" / "glossary.md"

EMPTY_WORDS = {"util", "utils", "helper", "helpers", "manager", "managers"}
ENTRY_CALLED_EVENT = re.compile(
    r"(^|_)(domain_event|event_(bus|log|payload|store|stream)|stored_event|append_events?)(_|s|$)"
)

SENDS_SQL = {
    "execute",
    "executemany",
    "stream",
    "copy",
    "exec_",
    "exec_params",
    "prepare",
    "send_prepare",
    "send_query",
    "send_query_params",
}

# How every file in a sql/ directory opens. A long line goes on in the next, indented.
SQL_HEADER = re.compile(
    r"""\A
    --\ \S.*\n           (?:--\ {3,}\S.*\n)*   # what the statement does, in a sentence
    --\ locks:\ \S.*\n   (?:--\ {3,}\S.*\n)*   # which rows or tables, and how strongly; or none
    --\ index:\ \S.*\n   (?:--\ {3,}\S.*\n)*   # which index finds the rows; or none, and why not
    --\ rows:\ \S.*\n                           # how many are read or written, at most
    """,
    re.VERBOSE,
)


def python_files(*packages: str) -> list[Path]:
    return [path for package in packages for path in sorted((ROOT / package).rglob("*.py"))]


def sql_files() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("sql/*.sql"))]


def names_in(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                yield name
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name
            case ast.AsyncFunctionDef(name=name) | ast.alias(name=name):
                yield name


def as_snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def is_glued(node: ast.expr) -> bool:
    """Whether an expression builds text out of parts."""
    match node:
        case ast.JoinedStr():
            return True
        case ast.BinOp(op=ast.Add() | ast.Mod()):
            return True
        case ast.Call(func=ast.Attribute(value=ast.Call(func=made_by), attr="format")):
            # psycopg.sql.SQL(...).format(...) quotes each part and takes no plain text.
            return ast.unparse(made_by) not in {"SQL", "sql.SQL"}
        case ast.Call(func=ast.Attribute(attr="format" | "join" | "replace")):
            return True
    return False


def glued_sql(tree: ast.Module) -> list[int]:
    """Lines that hand text built from parts to something that sends it to the database."""
    assigned = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value and is_glued(node.value)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Name)
    }
    lines = []
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr=sender), args=[statement, *_]) if (
                sender in SENDS_SQL
            ):
                named = isinstance(statement, ast.Name) and statement.id in assigned
                if named or is_glued(statement):
                    lines.append(node.lineno)
    return lines


def statements_in(sql: str) -> int:
    """How many statements a file has; a semicolon in a comment or in quoted text ends none."""
    text_apart = re.sub(
        r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"[^\"]*\"|(\$\w*\$).*?\1", "", sql, flags=re.DOTALL
    )
    return sum(1 for part in text_apart.split(";") if part.strip())


def rows_of(markdown: str) -> list[list[str]]:
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if row != ["word", "means"] and set("".join(row)) != {"-"}]


def test_no_module_has_a_name_that_says_nothing() -> None:
    parts = [
        (path, part)
        for path in python_files(*PACKAGES, "loadtest")
        for part in path.relative_to(ROOT).with_suffix("").parts
    ]
    assert parts
    assert [str(path) for path, part in parts if EMPTY_WORDS & set(part.split("_"))] == []


def test_no_code_calls_an_entry_an_event() -> None:
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in python_files(*PACKAGES)
        for name in names_in(ast.parse(path.read_text("utf-8")))
        if ENTRY_CALLED_EVENT.search(as_snake(name))
    }
    assert sorted(found) == []


@pytest.mark.parametrize(
    "name", ["EventStore", "load_event_stream", "DomainEvents", "append_event", "StoredEvent"]
)
def test_names_of_other_event_sourcing_code_are_seen(name: str) -> None:
    assert ENTRY_CALLED_EVENT.search(as_snake(name))


@pytest.mark.parametrize("name", ["EventId", "event_id", "list_events", "EventScheduled", "Event"])
def test_names_of_a_show_are_free(name: str) -> None:
    assert not ENTRY_CALLED_EVENT.search(as_snake(name))


def test_every_word_of_the_glossary_is_explained_once() -> None:
    rows = rows_of(GLOSSARY.read_text("utf-8"))
    assert [row for row in rows if len(row) != 2 or not all(row)] == []
    words = [word for word, _ in rows]
    assert sorted(words) == sorted(set(words))


def test_every_name_of_code_in_the_glossary_exists() -> None:
    defined = {
        node.name
        for path in python_files(*PACKAGES)
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ClassDef)
    }
    quoted = set(re.findall(r"`([A-Z][a-z]+[A-Z]\w*)`", GLOSSARY.read_text("utf-8")))
    assert quoted
    assert sorted(quoted - defined) == []


def test_python_never_glues_sql() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in python_files(*PACKAGES, "loadtest")
        for line in glued_sql(ast.parse(path.read_text("utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    "code",
    [
        'c.execute(f"SELECT {x}")',
        'c.execute("SELECT " + x)',
        'c.executemany("SELECT %s" % x, rows)',
        'c.copy("COPY {} FROM STDIN".format(x))',
        'c.stream(" ".join(parts))',
        'statement = f"SELECT {x}"\nc.execute(statement)',
        'statement: str = f"SELECT {x}"\nc.execute(statement)',
    ],
)
def test_glued_sql_is_seen(code: str) -> None:
    assert glued_sql(ast.parse(code))


@pytest.mark.parametrize(
    "code",
    [
        'c.execute("SELECT %s", (f"{x}",))',
        "c.execute(LOCK_STREAMS, (ids,))",
        'c.execute(sql.SQL("LISTEN {}").format(sql.Identifier(x)))',
    ],
)
def test_sql_with_parameters_is_left_alone(code: str) -> None:
    assert not glued_sql(ast.parse(code))


def test_every_sql_file_opens_with_what_it_locks_reads_and_costs() -> None:
    files = sql_files()
    assert files
    without = [
        str(path.relative_to(ROOT))
        for path in files
        if not SQL_HEADER.match(path.read_text("utf-8"))
    ]
    assert without == []


def test_every_sql_file_holds_one_statement() -> None:
    counts = {
        str(path.relative_to(ROOT)): statements_in(path.read_text("utf-8")) for path in sql_files()
    }
    assert {name: count for name, count in counts.items() if count != 1} == {}


HEADER = "-- Locks the streams of a batch.\n-- locks: rows\n-- index: streams_pkey\n-- rows: 1\n"


@pytest.mark.parametrize("line", ["Locks the streams", "locks:", "index:", "rows:"])
def test_a_header_with_a_line_missing_is_seen(line: str) -> None:
    short = "".join(kept for kept in HEADER.splitlines(keepends=True) if line not in kept)
    assert SQL_HEADER.match(HEADER + "SELECT 1\n")
    assert not SQL_HEADER.match(short + "SELECT 1\n")


@pytest.mark.parametrize(
    ("sql", "count"),
    [
        ("SELECT ';' -- ; and ;\n;", 1),
        ("DO $$ BEGIN; END $$;", 1),
        ("SELECT 1; SELECT 2", 2),
        ("-- nothing\n", 0),
    ],
)
def test_statements_are_counted_as_the_server_would(sql: str, count: int) -> None:
    assert statements_in(sql) == count
