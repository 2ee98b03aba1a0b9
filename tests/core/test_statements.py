"""Every SQL statement of the code fits the migrated schema.

A statement is a module-level constant in capitals, or a value of a dict that is one, next to the
function that runs it, in a module named ``sql`` or in any module of ``core``.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType

import asyncpg
import pytest

import talas.core
import talas.domains
from talas.core.migrations import migrate_down

STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES)\s", re.IGNORECASE)
PREPARABLE = re.compile(r"[A-Z][A-Z0-9_]*")


def modules() -> Iterator[str]:
    for package in (talas.core, talas.domains):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            in_core = module.name.startswith("talas.core.")
            if in_core or module.name.rpartition(".")[2] == "sql":
                yield module.name


def statements() -> dict[str, str]:
    found = {}
    for name in modules():
        for constant, value in constants(importlib.import_module(name)):
            if name.endswith(".sql") or STATEMENT.match(value):
                found[f"{name}.{constant}"] = value
    return found


def constants(module: ModuleType) -> Iterator[tuple[str, str]]:
    for constant, value in vars(module).items():
        if not PREPARABLE.fullmatch(constant):
            continue
        if isinstance(value, str):
            yield constant, value
        elif isinstance(value, dict):
            for key, part in value.items():
                if isinstance(part, str):
                    yield f"{constant}[{key}]", part


async def unprepared(url: str) -> dict[str, str]:
    """The statements that the database refuses, each with its reason."""
    refused = {}
    conn = await asyncpg.connect(url)
    try:
        for name, statement in statements().items():
            try:
                await conn.prepare(statement)
            except asyncpg.PostgresError as error:
                refused[name] = str(error)
    finally:
        await conn.close()
    return refused


async def test_every_statement_fits_the_schema(database_url: str) -> None:
    assert await unprepared(database_url) == {}


async def test_that_would_be_noticed(database_url: str) -> None:
    """Without its tables, nearly every statement of a domain must be refused."""
    if not any(name.startswith("talas.domains.") for name in statements()):
        pytest.skip("no domain has statements yet")
    await migrate_down(database_url, 99)
    assert any(name.startswith("talas.domains.") for name in await unprepared(database_url))
