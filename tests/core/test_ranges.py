"""RFC 9110, sections 13 and 14, held against tables."""

import datetime as dt
import itertools
from collections.abc import AsyncIterator
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talas.core.errors import RangeNotSatisfiable
from talas.core.http.ranges import (
    MAX_PARTS,
    Content,
    PreconditionFailed,
    answer_request,
    disposition,
    parse_ranges,
)

CHANGED = dt.datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=dt.UTC)
DATE = format_datetime(CHANGED, usegmt=True)
LATER = format_datetime(CHANGED + dt.timedelta(seconds=2), usegmt=True)
EARLIER = format_datetime(CHANGED - dt.timedelta(seconds=2), usegmt=True)


async def _nothing(_start: int, _end: int) -> AsyncIterator[bytes]:
    for chunk in ():
        yield chunk


def _content(size: int = 10_000) -> Content:
    return Content(
        size=size, etag="abc", changed_at=CHANGED, media_type="audio/flac", read=_nothing
    )


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", [(0, 500)]),
        ("bytes=500-999", [(500, 1000)]),
        ("bytes=9500-", [(9500, 10_000)]),
        ("bytes=-500", [(9500, 10_000)]),
        ("bytes=0-", [(0, 10_000)]),
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-0,-1", [(0, 1), (9999, 10_000)]),
        ("bytes= 0-999 , 4500-5499 ,, -1000", [(0, 1000), (4500, 5500), (9000, 10_000)]),
        ("bytes=9999-123456789", [(9999, 10_000)]),
        ("bytes=-99999", [(0, 10_000)]),
        ("BYTES=0-1", [(0, 2)]),
        ("bytes=10000-", []),
        ("bytes=-0", []),
        ("bytes=10000-10001,5-6", [(5, 7)]),
        ("bytes=6-5", None),
        ("bytes=0-1,6-5", None),
        ("bytes=", None),
        ("bytes=,", None),
        ("bytes=a-b", None),
        ("bytes=-", None),
        ("bytes=1", None),
        ("bytes=--1", None),
        ("bytes=0x1-2", None),
        ("bytes=٠-١", None),
        ("items=0-1", None),
        ("bytes 0-1", None),
        ("", None),
        ("bytes=" + "0-1," * 1000, None),
        ("bytes=0-" + "9" * 30, None),
    ],
)
def test_range_sets(header: str, expected: list[tuple[int, int]] | None) -> None:
    assert parse_ranges(header, 10_000) == expected


@given(st.text(max_size=60), st.integers(0, 1000))
def test_any_header_gives_ranges_inside(header: str, size: int) -> None:
    for start, end in parse_ranges(f"bytes={header}", size) or ():
        assert 0 <= start < end <= size


@pytest.mark.parametrize(
    ("header", "spans"),
    [
        ("bytes=0-9,5-14", [(0, 15)]),
        ("bytes=0-9,10-19", [(0, 20)]),
        ("bytes=0-9,20-29", [(0, 10), (20, 30)]),
        ("bytes=5000-5009,0-9", [(5000, 5010), (0, 10)]),
        ("bytes=5000-5009,0-9,5-14", [(0, 15), (5000, 5010)]),
        ("bytes=0-,0-,0-", [(0, 10_000)]),
    ],
)
def test_several_ranges_are_coalesced_where_they_meet(
    header: str, spans: list[tuple[int, int]]
) -> None:
    answer = answer_request("GET", {"range": header}, _content())
    assert (answer.status, answer.spans) == (206, spans)


def test_too_many_parts_are_served_whole() -> None:
    header = "bytes=" + ",".join(f"{n * 200}-{n * 200}" for n in range(MAX_PARTS + 1))
    assert answer_request("GET", {"range": header}, _content()).status == 200


@pytest.mark.parametrize("header", ["bytes=10000-", "bytes=-0", "bytes=10000-,20000-"])
def test_what_lies_outside_is_416(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        answer_request("GET", {"range": header}, _content())
    assert caught.value.headers["Content-Range"] == "bytes */10000"


@pytest.mark.parametrize(
    ("method", "headers", "status"),
    [
        ("GET", {}, 200),
        ("HEAD", {}, 200),
        ("HEAD", {"range": "bytes=0-1"}, 200),
        ("GET", {"range": "bytes=0-1"}, 206),
        ("GET", {"range": "rows=0-1"}, 200),
        # 13.1.5: a strong tag or the very date, else the whole
        ("GET", {"range": "bytes=0-1", "if-range": '"abc"'}, 206),
        ("GET", {"range": "bytes=0-1", "if-range": 'W/"abc"'}, 200),
        ("GET", {"range": "bytes=0-1", "if-range": '"old"'}, 200),
        ("GET", {"range": "bytes=0-1", "if-range": DATE}, 206),
        ("GET", {"range": "bytes=0-1", "if-range": LATER}, 200),
        ("GET", {"range": "bytes=0-1", "if-range": "soon"}, 200),
        ("GET", {"range": "bytes=99999-", "if-range": '"old"'}, 200),
        # 13.1.2: weak comparison
        ("GET", {"if-none-match": '"abc"'}, 304),
        ("HEAD", {"if-none-match": '"abc"'}, 304),
        ("GET", {"if-none-match": 'W/"abc"'}, 304),
        ("GET", {"if-none-match": '"x", W/"y" ,"abc"'}, 304),
        ("GET", {"if-none-match": "*"}, 304),
        ("GET", {"if-none-match": '"x,abc"'}, 200),
        ("GET", {"if-none-match": '"x"'}, 200),
        ("GET", {"if-none-match": '"abc"', "range": "bytes=99999-"}, 304),
        # 13.1.3: ignored beside If-None-Match
        ("GET", {"if-modified-since": DATE}, 304),
        ("GET", {"if-modified-since": LATER}, 304),
        ("GET", {"if-modified-since": EARLIER}, 200),
        ("GET", {"if-modified-since": "yesterday"}, 200),
        ("GET", {"if-modified-since": DATE, "if-none-match": '"x"'}, 200),
        # 13.1.1 and 13.1.4
        ("GET", {"if-match": '"abc"'}, 200),
        ("GET", {"if-match": "*"}, 200),
        ("GET", {"if-match": 'W/"abc"'}, 412),
        ("GET", {"if-match": '"x"'}, 412),
        ("GET", {"if-unmodified-since": DATE}, 200),
        ("GET", {"if-unmodified-since": EARLIER}, 412),
        ("GET", {"if-unmodified-since": EARLIER, "if-match": '"abc"'}, 200),
        ("GET", {"if-match": '"x"', "if-none-match": '"abc"'}, 412),
    ],
    ids=itertools.count(),
)
def test_preconditions(method: str, headers: dict[str, str], status: int) -> None:
    try:
        answered = answer_request(method, headers, _content()).status
    except PreconditionFailed as error:
        answered = error.status
    assert answered == status


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("song.flac", 'inline; filename="song.flac"'),
        (
            'Über "x"\r\n.mp3',
            "inline; filename=\"_ber _x___.mp3\"; filename*=UTF-8''%C3%9Cber%20%22x%22%0D%0A.mp3",
        ),
        ("\ud800.wav", "inline; filename=\"_.wav\"; filename*=UTF-8''%3F.wav"),
    ],
)
def test_names_in_content_disposition(name: str, header: str) -> None:
    assert disposition("inline", name) == header
