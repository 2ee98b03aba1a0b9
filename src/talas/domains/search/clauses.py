"""What queries to the index are put together from."""

from collections.abc import Iterable, Sequence

from tantivy import Occur, Query

from talas.domains.search.documents import schema


def term(name: str, word: str) -> Query:
    return Query.term_query(schema(), name, word, "basic")


def phrase(name: str, parts: Sequence[str]) -> Query:
    if len(parts) == 1:
        return term(name, parts[0])
    return Query.phrase_query(schema(), name, list(parts))


def fuzzy(name: str, word: str, edits: int, *, start: bool = False) -> Query:
    return Query.fuzzy_term_query(
        schema(), name, word, distance=edits, transposition_cost_one=True, prefix=start
    )


def points(query: Query, each: float) -> Query:
    return Query.const_score_query(query, each)


def without_points(query: Query) -> Query:
    """For what must match, but does not make anything a better match."""
    return points(query, 0)


def must(*queries: Query) -> Query:
    if len(queries) == 1:
        return queries[0]
    return Query.boolean_query([(Occur.Must, query) for query in queries])


def any_of(queries: Iterable[Query]) -> Query:
    found = list(queries)
    if len(found) == 1:
        return found[0]
    return Query.boolean_query([(Occur.Should, query) for query in found])


def best_of(queries: Sequence[Query]) -> Query:
    """What is found in several ways has the points of the best one."""
    return queries[0] if len(queries) == 1 else Query.disjunction_max_query(queries)
