"""How many of the tracks that a search finds have each tag, key, license, tempo and length."""

from collections.abc import Sequence
from typing import Any

from tantivy import Query, Searcher

from talas.domains.search.schemas import Facets, RangeCount, ValueCount

TEMPOS = (80, 100, 120, 140, 160)
"""Beats a minute."""
LENGTHS_S = (60, 180, 300, 600, 1800)
_MOST_VALUES = 20
# Each part of the index gives up to so many values, so that the sums are exact.
_PER_SEGMENT = 65_000


def count_facets(searcher: Searcher, query: Query) -> Facets:
    answer = searcher.aggregate(
        query,
        {
            "tags": _values("tag"),
            "keys": _values("music_key"),
            "licenses": _values("license"),
            "bpm": _ranges("bpm", TEMPOS),
            "duration": _ranges("duration", LENGTHS_S),
        },
    )
    return Facets(
        tags=_value_counts(answer["tags"]),
        keys=_value_counts(answer["keys"]),
        licenses=_value_counts(answer["licenses"]),
        bpm=_range_counts(answer["bpm"], TEMPOS),
        duration=_range_counts(answer["duration"], LENGTHS_S),
    )


def _values(field: str) -> dict[str, Any]:
    return {"terms": {"field": field, "size": _MOST_VALUES, "segment_size": _PER_SEGMENT}}


def _ranges(field: str, bounds: Sequence[int]) -> dict[str, Any]:
    lows, highs = (None, *bounds), (*bounds, None)
    ranges = [
        {"key": str(place)}
        | ({} if low is None else {"from": low})
        | ({} if high is None else {"to": high})
        for place, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]
    return {"range": {"field": field, "ranges": ranges}}


def _value_counts(answer: dict[str, Any]) -> list[ValueCount]:
    """The most frequent first, then from A to Z."""
    counts = [ValueCount(value=item["key"], count=item["doc_count"]) for item in answer["buckets"]]
    return sorted(counts, key=lambda item: (-item.count, item.value))


def _range_counts(answer: dict[str, Any], bounds: Sequence[int]) -> list[RangeCount]:
    counts = {item["key"]: item["doc_count"] for item in answer["buckets"]}
    lows, highs = (None, *bounds), (*bounds, None)
    return [
        RangeCount(least=low, below=high, count=counts.get(str(place), 0))
        for place, (low, high) in enumerate(zip(lows, highs, strict=True))
    ]
