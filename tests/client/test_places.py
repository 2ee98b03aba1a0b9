"""The order of one place, whatever comes in whatever order."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from talas.client import Event, Gap, Message
from talas.client.places import Place


def message(seq: int) -> Message:
    return Message(
        room="general",
        from_user=1,
        username="ann",
        content=f"{seq}",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        id=seq,
        seq=seq,
    )


def seqs(events: list[Event]) -> list[int]:
    return [event.seq for event in events if isinstance(event, Message)]


def live(last: int) -> Place:
    place = Place(room="general")
    place.begin(last)
    return place


def test_each_once_and_in_order() -> None:
    place = live(4)
    assert seqs(place.take(message(5))) == [5]
    assert place.take(message(5)) == place.take(message(3)) == []
    assert place.take(message(7)) == []
    assert place.has_hole
    assert seqs(place.take(message(6))) == [6, 7]
    assert not place.has_hole


def test_without_a_beginning_what_comes_first_is_it() -> None:
    place = live(0)
    place = Place(room="general")
    place.begin(None)
    assert seqs(place.take(message(40))) == [40]
    assert place.take(message(39)) == []


def test_what_comes_before_the_answer_waits_for_it() -> None:
    place = live(4)
    place.hold()
    assert place.take(message(8)) == []
    assert place.replay(7) == []
    assert seqs([e for n in (5, 6, 7) for e in place.take(message(n))]) == [5, 6, 7, 8]
    assert place.is_live


def test_what_a_replay_leaves_out_is_a_gap() -> None:
    place = live(4)
    place.replay(9)
    assert seqs(place.take(message(5))) == [5]
    gap, after = place.take(message(8))
    assert gap == Gap(room="general", peer=None, first=6, last=7, missing=2)
    assert isinstance(after, Message)
    assert seqs(place.take(message(9))) == [9]
    assert place.is_live


def test_a_replay_of_nothing_does_not_ask_for_ever() -> None:
    place = live(4)
    place.take(message(6))
    gap, after = place.replay(4)
    assert isinstance(gap, Gap)
    assert isinstance(after, Message)
    assert not place.has_hole


def test_a_history_fills_what_it_can() -> None:
    place = live(4)
    place.hold()
    place.take(message(10))
    place.take(message(9))
    gap, *rest = place.fill([message(n) for n in (3, 5, 8)], 8)
    assert gap == Gap(room="general", peer=None, first=5, last=8, missing=2)
    assert seqs(rest) == [5, 8, 9, 10]


def test_a_server_with_an_older_database() -> None:
    place = live(9)
    place.hold()
    [gap] = place.start_over(6)
    assert gap == Gap(room="general", peer=None, first=7, last=9, missing=3)
    assert seqs(place.take(message(7))) == [7]


@given(st.lists(st.integers(1, 12), max_size=40), st.integers(0, 12), st.data())
def test_nothing_is_given_out_twice_or_unsaid(
    came: list[int], top: int, data: st.DataObject
) -> None:
    """Whatever is lost on the way: after a history was read, all up to it was given out, or is
    said to be missing."""
    place = live(0)
    given_out: list[Event] = []
    for seq in came:
        given_out += place.take(message(seq))
    place.hold()
    top = max(top, *came, 0) if came else top
    found = data.draw(st.sets(st.integers(1, 12)))
    given_out += place.fill([message(seq) for seq in found if seq <= top], top)
    shown = seqs(given_out)
    assert shown == sorted(set(shown))
    missing = sum(event.missing for event in given_out if isinstance(event, Gap))
    assert len(shown) + missing == place.last == top
