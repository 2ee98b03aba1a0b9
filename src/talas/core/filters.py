"""Statements that stand once for each set of filters.

One statement with ``$1 IS NULL OR role = $1`` would be planned once for whatever is asked of it,
and then read a whole table to find what an index knows.
"""

import itertools
from collections.abc import Callable
from typing import Any

import msgspec

Filters = tuple[str, ...]


def for_each_filter(columns: Filters, statement: Callable[[str], str]) -> dict[Filters, str]:
    """``statement`` gets a condition and returns a statement, in which ``$1`` and ``$2`` are its
    own, the limit and the offset of a list for instance. The filters come after them."""
    return {
        filters: statement(
            " AND ".join(f"{column} = ${place}" for place, column in enumerate(filters, 3))
            or "true"
        )
        for length in range(len(columns) + 1)
        for filters in itertools.combinations(columns, length)
    }


def given_filters(wanted: msgspec.Struct) -> dict[str, Any]:
    """Those that are not None. The struct's fields are the columns, in their order; the keys name
    the statement, the values are its arguments."""
    filters = msgspec.structs.asdict(wanted)
    return {column: value for column, value in filters.items() if value is not None}
