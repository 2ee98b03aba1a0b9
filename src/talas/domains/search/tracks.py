"""The search of tracks: narrowed, sorted, counted."""

from collections.abc import Iterator
from typing import Any

import msgspec
from tantivy import DocAddress, FieldType, Order, Query, Searcher

from talas.core.http.pagination import Page
from talas.domains.search.analysis import fold
from talas.domains.search.clauses import any_of, must, term, without_points
from talas.domains.search.dictionary import Dictionary, count
from talas.domains.search.documents import schema
from talas.domains.search.facets import count_facets
from talas.domains.search.filters import TrackWanted, first_instant
from talas.domains.search.queries import (
    Question,
    everything_in,
    found_in,
    read_question,
    visible_groups,
)
from talas.domains.search.schemas import Facets
from talas.domains.search.service import newest_first, with_ids
from talas.domains.search.words import Level, WordQueries

_DAY_US = 86_400_000_000
_FAR = 1_000
_ORDER_FIELDS = {sort: f"by_{sort}" for sort in ("newest", "plays", "likes", "duration")}


class FoundIds(msgspec.Struct):
    """A page of ids, and how many match in all."""

    ids: list[int]
    total: int
    facets: Facets


def find_tracks(searcher: Searcher, wanted: TrackWanted, page: Page, *, user_id: int) -> FoundIds:
    """As far as the user may find them.

    All that have the words as written, or in another form; where there is none, those that have
    them misspelt; else those that have half of them. What the search is narrowed to never makes it
    look for other words.
    """
    matches = _find(searcher, wanted, page, user_id)
    ids = newest_first(with_ids(searcher, matches.hits)) if matches.hits else []
    return FoundIds(ids, matches.total, count_facets(searcher, matches.query))


class _Matches(msgspec.Struct):
    """All that a query matches, and of these the page."""

    query: Query
    total: int
    hits: list[tuple[Any, DocAddress]]


def _find(searcher: Searcher, wanted: TrackWanted, page: Page, user_id: int) -> _Matches:
    groups = tuple(visible_groups(searcher, "tracks", user_id))
    filters = [without_points(query) for query in _filters(wanted)]
    if not wanted.text:
        everything = any_of(everything_in(group, user_id=user_id) for group in groups)
        return _look(searcher, must(everything, *filters), wanted, page)
    question = read_question(wanted.text)
    by_group = [WordQueries(Dictionary(searcher, group)) for group in groups]
    for level in _levels(question):
        each = (found_in(words, question, level, user_id=user_id) for words in by_group)
        worth = [query for query in each if query is not None]
        if not worth:
            continue
        found = any_of(worth)
        matches = _look(searcher, must(found, *filters), wanted, page)
        if matches.total or (filters and count(searcher, found)):
            return matches
    return _Matches(Query.empty_query(), 0, [])


def _look(searcher: Searcher, query: Query, wanted: TrackWanted, page: Page) -> _Matches:
    """At once, but for far pages: what lies before a page takes memory, so only where it is
    there."""
    how: dict[str, Any] = {"weight_by_field": "popularity"}
    if (field := _order_field(wanted)) is not None:
        how = {"order_by_field": field, "order": Order.Desc}
    if page.offset > _FAR and (total := count(searcher, query)) <= page.offset:
        return _Matches(query, total, [])
    found: Any = searcher.search(query, limit=page.limit, offset=page.offset, **how)
    return _Matches(query, found.count, found.hits)


def _levels(question: Question) -> Iterator[Level]:
    if question.words:
        partial = (Level.STARTED, Level.NAMED, Level.TYPO_NAMED)
        yield from (level for level in question.levels() if level not in partial)
        yield from question.last_levels()


def _order_field(wanted: TrackWanted) -> str | None:
    """Without a text all are as relevant: the newest come first."""
    if wanted.sort == "relevance" and not wanted.text:
        return _ORDER_FIELDS["newest"]
    return _ORDER_FIELDS.get(wanted.sort)


def _filters(wanted: TrackWanted) -> Iterator[Query]:
    for tag in wanted.tags:
        yield term("tag", tag)
    for field, value in (("music_key", wanted.key), ("license", wanted.license)):
        if value is not None:
            yield term(field, value)
    if wanted.user is not None:
        yield term("username", fold(wanted.user))
    if wanted.user_id is not None:
        yield Query.term_query(schema(), "user_id", wanted.user_id)
    lengths = (wanted.duration_min, wanted.duration_max)
    yield from _between("duration", FieldType.Integer, *lengths)
    yield from _between("bpm", FieldType.Float, wanted.bpm_min, wanted.bpm_max)
    yield from _between("created", FieldType.Integer, *_instants(wanted))


def _instants(wanted: TrackWanted) -> tuple[int | None, int | None]:
    first, last = wanted.first_day, wanted.last_day
    return (
        None if first is None else first_instant(first),
        None if last is None else first_instant(last) + _DAY_US - 1,
    )


def _between(
    field: str, kind: FieldType, least: float | None, most: float | None
) -> Iterator[Query]:
    if least is not None or most is not None:
        yield Query.range_query(schema(), field, kind, lower_bound=least, upper_bound=most)
