"""What must not stand in the source: statements made of what people send, and ways out."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import talas

ROOT = Path(talas.__file__).parent
RUNS_A_STATEMENT = {"execute", "executemany", "fetch", "fetchrow", "fetchval", "cursor"}
# Migrations and their files, the statements of pgqueuer, and made-up content: nobody sends them.
OWN_STATEMENTS = {"core/migrations.py", "core/jobs.py", "demo/seeding.py"}
HTTP_CLIENTS = {
    *("requests", "httpx", "aiohttp", "urllib3", "httpcore", "pycurl", "http.client"),
    *("urllib.request", "ftplib", "smtplib", "telnetlib", "xmlrpc.client"),
}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def is_statement(node: ast.expr, function: Function | None) -> bool:
    """A literal, a constant in capitals, one of a dict of constants, or a local name that only ever
    holds such."""
    match node:
        case ast.Constant(value=str()):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name) if name.isupper():
            return True
        case ast.Name(id=name) if function is not None:
            given = [value for value in assigned(function, name) if not mentions(value, name)]
            own = [value for value in assigned(function, name) if mentions(value, name)]
            return bool(given) and all(
                is_statement(value, function if value in given else None) or is_default(value, name)
                for value in given + own
            )
        case ast.Subscript(value=value):
            return is_statement(value, function)
        case ast.IfExp(body=body, orelse=orelse):
            return is_statement(body, function) and is_statement(orelse, function)
    return False


def is_default(node: ast.expr, name: str) -> bool:
    """``STATEMENTS.get(key, name)``: another constant, or what the name held before."""
    match node:
        case ast.Call(
            func=ast.Attribute(value=dictionary, attr="get"), args=[_, ast.Name(id=default)]
        ):
            return default == name and is_statement(dictionary, None)
    return False


def mentions(node: ast.expr, name: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == name for part in ast.walk(node))


def assigned(function: Function, name: str) -> list[ast.expr]:
    """What a local name is given, also where it is one of several."""
    return [
        assignment.value
        for assignment in ast.walk(function)
        if isinstance(assignment, ast.Assign)
        for target in assignment.targets
        for part in ast.walk(target)
        if isinstance(part, ast.Name) and part.id == name
    ]


def calls(tree: ast.Module) -> Iterator[tuple[ast.Call, Function | None]]:
    """Every call, with the function that it stands in."""

    def walk(
        node: ast.AST, function: Function | None
    ) -> Iterator[tuple[ast.Call, Function | None]]:
        if isinstance(node, Function):
            function = node
        if isinstance(node, ast.Call):
            yield node, function
        for child in ast.iter_child_nodes(node):
            yield from walk(child, function)

    yield from walk(tree, None)


def test_no_statement_is_made_of_what_people_send() -> None:
    """What runs is a constant; its values travel beside it."""
    seen, wrong = 0, []
    for path, tree in sources():
        for call, function in calls(tree):
            runs = isinstance(call.func, ast.Attribute) and call.func.attr in RUNS_A_STATEMENT
            if not runs or not call.args or path in OWN_STATEMENTS:
                continue
            seen += 1
            if not is_statement(call.args[0], function):
                wrong.append(f"{path}:{call.lineno}")
    assert seen > 100
    assert wrong == []


def test_statements_are_put_together_before_anybody_asks() -> None:
    """A function that makes statements is called while its module is imported, never later."""
    wrong = []
    for path, tree in sources():
        if not path.startswith("domains/") or not path.endswith("sql.py"):
            continue
        makers = {
            node.name
            for node in tree.body
            if isinstance(node, ast.FunctionDef)
            and any(isinstance(part, ast.JoinedStr) for part in ast.walk(node))
        }
        for call, function in calls(tree):
            name = getattr(call.func, "id", None)
            if name in makers and function is not None and function.name not in makers:
                wrong.append(f"{path}:{call.lineno}")
        for node in ast.walk(tree):
            if isinstance(node, ast.AsyncFunctionDef):
                wrong += [
                    f"{path}:{part.lineno}"
                    for part in ast.walk(node)
                    if isinstance(part, ast.JoinedStr)
                ]
    assert wrong == []


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ("await conn.fetch(SELECT, term)", True),
        ("await conn.fetch(sql.SELECT_BY[sort], term)", True),
        ("await conn.fetch(f'SELECT {term}')", False),
        ("await conn.fetch('SELECT ' + term)", False),
        ("await conn.fetch('SELECT %s' % term)", False),
        ("await conn.fetch('SELECT {}'.format(term))", False),
        ("await conn.fetch(term)", False),
        ("statement = SELECT if term else OTHER\n  await conn.fetch(statement)", True),
        ("statement = SELECT + term\n  await conn.fetch(statement)", False),
        (
            "statement = SELECT\n  statement = BY.get(term, statement)\n  conn.fetch(statement)",
            True,
        ),
        (
            "statement = SELECT\n  statement = term.get(1, statement)\n  conn.fetch(statement)",
            False,
        ),
        ("statement = SELECT\n  statement = statement + term\n  conn.fetch(statement)", False),
        ("_, statement = BY[term]\n  await conn.fetch(statement)", True),
    ],
)
def test_that_would_be_noticed(body: str, fits: bool) -> None:
    tree = ast.parse(f"async def f(conn, term):\n  {body}")
    [found] = [
        is_statement(call.args[0], function)
        for call, function in calls(tree)
        if isinstance(call.func, ast.Attribute) and call.func.attr in RUNS_A_STATEMENT
    ]
    assert found == fits


def imported(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_no_http_client_is_imported() -> None:
    """The server fetches no address that somebody gave: it could not. What `talas.client` talks to
    is a server, from somebody's own machine."""
    found = {
        (path, name)
        for path, tree in sources()
        if not path.startswith("client/")
        for name in imported(tree)
        if any(name == client or name.startswith(f"{client}.") for client in HTTP_CLIENTS)
    }
    # Mail goes to the server that the settings name.
    assert found == {("core/mail.py", "smtplib")}
