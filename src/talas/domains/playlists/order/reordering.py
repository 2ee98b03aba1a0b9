"""A new order of a playlist, told by its tracks alone."""

from collections import defaultdict, deque
from collections.abc import Sequence

import msgspec

from talas.domains.playlists.order.sql import EntryRow


class Placed(msgspec.Struct, frozen=True):
    """What stands at a place: an entry that was there before, or, where ``entry_id`` is None, a new
    one."""

    entry_id: int | None
    track_id: int


def reordered(entries: Sequence[EntryRow], track_ids: Sequence[int]) -> list[Placed]:
    """The tracks in this order. An entry that has one of them moves there, the first entry of a
    track to where it is named first; entries of tracks that are not named are dropped.

    But entries that the editor may not hear were not theirs to name: unless named, they stay as far
    from the start as they were.
    """
    free: defaultdict[int, deque[int]] = defaultdict(deque)
    for entry in entries:
        free[entry.track_id].append(entry.id)
    order = [
        Placed(free[track_id].popleft() if free.get(track_id) else None, track_id)
        for track_id in track_ids
    ]
    kept = {placed.entry_id for placed in order}
    for place, entry in enumerate(entries):
        if not entry.is_heard and entry.id not in kept:
            order.insert(place, Placed(entry.id, entry.track_id))
    return order
