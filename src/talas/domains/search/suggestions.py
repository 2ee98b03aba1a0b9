"""Completions of what somebody is typing: titles, names and tags that they may see."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from talas.core.database import Database
from talas.core.search_index import SearchIndex
from talas.core.sessions import Actor
from talas.domains.search import service
from talas.domains.search.analysis import fold, whole
from talas.domains.search.highlight import Match, worst_match
from talas.domains.search.queries import Question, read_question
from talas.domains.search.rows import load_rows
from talas.domains.search.schemas import Suggestion
from talas.domains.search.words import Level

_KINDS = ("tracks", "products", "users", "rooms")
_PER_KIND = 30


async def suggest(
    db: Database, search: SearchIndex, actor: Actor, text: str, *, limit: int
) -> list[Suggestion]:
    """Distinct ones: those that go on from what was typed, then those that hold it, then those
    that nearly do. Raises Unavailable while there is no index."""
    question = read_question(text)
    for level in (Level.NAMED, Level.TYPO):
        find = partial(
            service.find_at_level,
            kinds=_KINDS,
            question=question,
            level=level,
            user_id=actor.user_id,
            limit=_PER_KIND,
        )
        found = await search.ask(find)
        async with db.connection() as conn:
            rows = {
                kind: await load_rows(conn, kind, actor.user_id, found[kind]) for kind in _KINDS
            }
        if suggestions := _best(question, rows):
            return suggestions[:limit]
    return []


def _best(question: Question, rows: dict[str, list[Any]]) -> list[Suggestion]:
    ranked: list[tuple[tuple[Match, bool, int], Suggestion]] = []
    for kind in _KINDS:
        for place, suggestion in enumerate(_candidates(kind, rows[kind])):
            match = worst_match(question, suggestion.text)
            if match is not None:
                goes_on = whole(suggestion.text).startswith(question.whole)
                ranked.append(((match, not goes_on, place), suggestion))
    ranked.sort(key=lambda item: item[0])
    distinct = {fold(suggestion.text): suggestion for _, suggestion in reversed(ranked)}
    return list(reversed(distinct.values()))


def _candidates(kind: str, rows: list[Any]) -> Iterator[Suggestion]:
    for row in rows:
        match kind:
            case "tracks":
                yield Suggestion(row.title, "track")
                for tag in row.tags:
                    yield Suggestion(tag, "tag")
            case "products":
                yield Suggestion(row.name, "product")
            case "users":
                yield Suggestion(row.username, "user")
            case _:
                yield Suggestion(row.name, "room")
