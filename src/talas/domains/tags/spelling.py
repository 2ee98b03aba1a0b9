"""How far apart two spellings are."""

from collections.abc import Sequence

MIN_FORGIVEN = 4
MIN_FORGIVEN_TWICE = 8


def forgiven_edits(word: str) -> int:
    """How many wrong letters are forgiven: one from 4 letters, two from 8."""
    if len(word) < MIN_FORGIVEN:
        return 0
    return 1 if len(word) < MIN_FORGIVEN_TWICE else 2


def edit_distance(one: str, other: str) -> int:
    """How many letters must be added, left out, replaced or swapped with their neighbours to make
    the other of the one (optimal string alignment)."""
    before: Sequence[int] = ()
    last: Sequence[int] = range(len(other) + 1)
    for i, letter in enumerate(one, start=1):
        row = [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(row[j - 1] + 1, last[j] + 1, last[j - 1] + (letter != wanted))
            swapped = i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted
            row.append(min(cost, before[j - 2] + 1) if swapped else cost)
        before, last = last, row
    return last[-1]
