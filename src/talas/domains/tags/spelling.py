"""How far apart two spellings are."""

MIN_FORGIVEN = 4
MIN_FORGIVEN_TWICE = 8


def forgiven_edits(word: str) -> int:
    """How many wrong letters are forgiven: one from 4 letters, two from 8."""
    if len(word) < MIN_FORGIVEN:
        return 0
    return 1 if len(word) < MIN_FORGIVEN_TWICE else 2


def edit_distance(one: str, other: str, *, most: int) -> int:
    """How many letters must be added, left out, replaced or swapped with their neighbours to make
    the other of the one (optimal string alignment). Where that is more than ``most``, some number
    that is more too: what is far apart costs no more than what is near."""
    if most == 0:
        return int(one != other)
    if abs(len(one) - len(other)) > most:
        return most + 1
    pairs = enumerate(zip(one, other, strict=False))
    shared = next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))
    one, other = one[shared:], other[shared:]
    if not one or not other:
        return len(one) + len(other)
    ways = [(one[1:], other[1:]), (one[1:], other), (one, other[1:])]
    if one[:2] == other[1::-1]:
        ways.append((one[2:], other[2:]))
    return 1 + min(edit_distance(*rest, most=most - 1) for rest in ways)
