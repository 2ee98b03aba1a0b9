"""The keys that a track may be in."""

import re

_TONICS = {
    "c": "C", "c#": "C#", "db": "C#", "d": "D", "d#": "D#", "eb": "D#", "e": "E", "fb": "E",
    "e#": "F", "f": "F", "f#": "F#", "gb": "F#", "g": "G", "g#": "G#", "ab": "G#", "a": "A",
    "a#": "A#", "bb": "A#", "b": "B", "cb": "B", "b#": "C",
}  # fmt: skip
_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
KEYS = tuple(f"{tonic} {mode}" for tonic in _NAMES for mode in ("major", "minor"))
_KEY = re.compile(r"([A-Ga-g][#b]?) ?(|m|M|(?i:min|minor|maj|major))")


def canonical_key(text: str | None) -> str | None:
    """One of KEYS: ``A minor`` for ``Am``, ``a min`` and the like, ``A# major`` for ``Bb``. None
    for what is no key."""
    match = _KEY.fullmatch((text or "").strip().replace("\u266f", "#").replace("\u266d", "b"))
    if match is None:
        return None
    tonic, mode = match.groups()
    is_minor = mode == "m" or mode.lower().startswith("min")
    return f"{_TONICS[tonic.lower()]} {'minor' if is_minor else 'major'}"
