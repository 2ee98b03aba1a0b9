"""How text is taken apart into words, the same way for what is indexed and what is asked for.

A *unit* is what stands between spaces: ``MK-1``, ``l'amour``, ``tr808``, ``音楽``. Its *parts* are
the runs of letters and of digits in it, folded: without case, accents and ligatures. Scripts that
put no spaces between words are cut into pairs of characters.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator

import msgspec
from tantivy import Filter, TextAnalyzer, TextAnalyzerBuilder, Tokenizer

MAX_PART = 40
LONGEST_START = 15
_MAX_JOINED_PARTS = 6

_MARKS = "\u0300-\u036f\u0483-\u0487\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
_JOINERS = "\u00ad\u200c\u200d\u2060\ufe0e\ufe0f"
_UNSPACED = (
    "\u3005-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003134f"
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff"
)
_SYMBOLS = "\u2600-\u27bf\U0001f000-\U0001faff"
_CONNECTORS = "-'\u2019\u02bc\u2010\u2011.·_/&+@"


def _other_marks() -> str:
    """Vowels and the like, which many scripts write as marks; they belong to their word."""
    marks = (chr(code) for code in range(0x0900, 0x3000))
    return "".join(char for char in marks if unicodedata.category(char) in ("Mn", "Mc"))


_LETTER = rf"(?:[^\W_]|[{_MARKS}{_JOINERS}{_other_marks()}])"
_NOTE = r"(?<![^\W_])[A-Ga-g][#\u266f\u266d](?![^\W\d_]{3})"
_RUN = rf"(?:{_NOTE}|[{_SYMBOLS}]|{_LETTER}+)"
_UNIT = re.compile(rf"{_RUN}(?:[{_CONNECTORS}]?{_RUN})*")
# The same for ASCII, in a third of the time.
_ASCII_RUN = r"(?:(?<![A-Za-z0-9])[A-Ga-g]#(?![A-Za-z]{3})|[A-Za-z0-9]+)"
_ASCII_UNIT = re.compile(rf"{_ASCII_RUN}(?:[-'./_&+@]?{_ASCII_RUN})*")
_PART = re.compile(
    rf"{_NOTE}|[{_SYMBOLS}]|[0-9]+|[{_UNSPACED}]+|(?:(?![0-9{_UNSPACED}]){_LETTER})+"
)
_ONLY_UNSPACED = re.compile(rf"[{_UNSPACED}]+")
_UNSPACED_CHAR = re.compile(rf"[{_UNSPACED}]")
_PAIR = re.compile(rf"[{_UNSPACED}]{{2}}")
_ELISIONS = frozenset(
    ["c", "d", "j", "l", "m", "n", "qu", "s", "t", "jusqu", "lorsqu", "puisqu", "quoiqu"]
)
_APOSTROPHES = "'\u2019\u02bc"
_FADED = re.compile(rf"[{_MARKS}{_JOINERS}]")
_LETTERS = str.maketrans(
    {
        "œ": "oe", "æ": "ae", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i",
        "ħ": "h", "ŧ": "t", "ŋ": "n", "ĸ": "k", "ſ": "s", "ə": "a", "ё": "е",
        "أ": "ا", "إ": "ا", "آ": "ا", "ى": "ي", "ة": "ه", "ـ": None,
    }
)  # fmt: skip

_STOP_WORDS = """
  a an and at by for from in into is it its n of on or the to with feat ft
  au aux avec ce ces dans de des du en est et la le les leur ma mes mon ne nos ou par pas pour sa
  se ses sur ta tes un une vos y
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


class Unit(msgspec.Struct, frozen=True):
    """``start`` and ``end`` count characters of the text it was found in. ``joined`` are the parts
    written as one word; None where there is but one, or too many."""

    start: int
    end: int
    parts: tuple[str, ...]
    joined: str | None

    @property
    def word(self) -> str:
        """The unit as one word, if it is one."""
        return self.joined or self.parts[0]

    @property
    def is_spaced(self) -> bool:
        """Of a script that puts spaces between words."""
        return not any(map(_UNSPACED_CHAR.match, self.parts))


def fold(text: str) -> str:
    """Without case, accents, ligatures and width: ``Œuvre`` and ``oeuvre`` are the same."""
    if text.isascii():
        return text.lower()
    text = unicodedata.normalize("NFKD", text.casefold())
    text = unicodedata.normalize("NFC", _FADED.sub("", text))
    return text.translate(_LETTERS)


def units(text: str) -> Iterator[Unit]:
    """Those of the text, in its order. Punctuation is none."""
    pattern = _ASCII_UNIT if text.isascii() else _UNIT
    for match in pattern.finditer(text):
        unit = match.group()
        parts, joined = _remembered_parts(unit) if len(unit) <= MAX_PART else _parts(unit)
        if parts:
            yield Unit(match.start(), match.end(), parts, joined)


def _parts(unit: str) -> tuple[tuple[str, ...], str | None]:
    found: list[str] = []
    runs = list(_PART.finditer(unit))
    unspaced = False
    for run in runs:
        part = _fold_part(run.group())
        elided = part in _ELISIONS and unit[run.end() : run.end() + 1] in _APOSTROPHES
        if run.end() < len(unit) and elided:
            continue
        if _ONLY_UNSPACED.fullmatch(part):
            unspaced = True
            found.extend(_pairs(part))
        elif part:
            found.append(part[:MAX_PART])
    joined = None
    if 1 < len(runs) <= _MAX_JOINED_PARTS and not unspaced:
        joined = "".join(_fold_part(run.group()) for run in runs)[:MAX_PART]
    return tuple(found), joined


# What is long seldom comes again, and may be a whole text without spaces.
_remembered_parts = functools.lru_cache(50_000)(_parts)


def _fold_part(run: str) -> str:
    if len(run) == 2 and run[1] in "#\u266f\u266d":
        return run[0].lower() + ("flat" if run[1] == "\u266d" else "sharp")
    # What stands for a whole sentence holds spaces.
    return fold(run).replace(" ", "")


def _pairs(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]


def whole(text: str) -> str:
    """The text as one word; how it is cut into words does not matter to it."""
    return "".join(forms(piece).phrase for piece in text.split()).replace(" ", "")[:200]


def _stemmer(language: str) -> TextAnalyzer:
    return TextAnalyzerBuilder(Tokenizer.raw()).filter(Filter.stemmer(language)).build()


_STEMMERS = (_stemmer("english"), _stemmer("french"))


@functools.lru_cache(100_000)
def stems(word: str) -> tuple[str, ...]:
    """The English and the French one, where the word may have any."""
    if len(word) < 3 or not (word.isascii() and word.isalpha()):
        return (word,)
    return tuple(dict.fromkeys(stemmer.analyze(word)[0] for stemmer in _STEMMERS))


class Forms(msgspec.Struct, frozen=True, gc=False):
    """What a piece of text is found by, each with spaces between: ``phrase`` are the parts in their
    order, ``others`` the other spellings of its units, ``starts`` the first letters of both, as
    many as there may be."""

    phrase: str
    others: str
    stems: str
    starts: str


def forms(piece: str) -> Forms:
    """Of what stands between spaces. Most of any text are words that others have too, so they are
    remembered; what is long seldom comes again."""
    return _remembered_forms(piece) if len(piece) <= MAX_PART else _forms(piece)


def _forms(piece: str) -> Forms:
    if piece.isascii() and piece.isalpha():
        # What the rest would make of it, in a third of the time.
        word = piece.lower()[:MAX_PART]
        return Forms(word, "", " ".join(stems(word)), " ".join(_starts(word)))
    parts: list[str] = []
    others: list[str] = []
    for unit in units(piece):
        parts += unit.parts
        if unit.joined is not None:
            others.append(unit.joined)
        if not all(map(str.isascii, unit.parts)):
            others += (char for pair in unit.parts if _PAIR.fullmatch(pair) for char in pair)
    words = dict.fromkeys([*parts, *others])
    return Forms(
        phrase=" ".join(parts),
        others=" ".join(others),
        stems=" ".join(dict.fromkeys(stem for word in words for stem in stems(word))),
        starts=" ".join(dict.fromkeys(start for word in words for start in _starts(word))),
    )


_remembered_forms = functools.lru_cache(20_000)(_forms)


def _starts(word: str) -> list[str]:
    return [word[:end] for end in range(1, min(len(word), LONGEST_START) + 1)]


def start_of(word: str) -> str:
    """As much of the start of a word as the index knows."""
    return word[:LONGEST_START]


@functools.lru_cache(20_000)
def allowed_edits(word: str) -> int:
    """How many letters of a word may be wrong. Numbers are never meant otherwise."""
    if not word.isalpha() or _ONLY_UNSPACED.match(word) or len(word) < 4:
        return 0
    return 2 if len(word) >= 8 else 1


def within_edits(asked: str, word: str, most: int) -> bool:
    """Whether inserting, deleting, replacing or swapping neighbours ``most`` times makes one of
    the other (optimal string alignment)."""
    if abs(len(asked) - len(word)) > most or len(set(asked) - set(word)) > most:
        return False
    before: list[int] = []
    row = list(range(len(word) + 1))
    for i, letter in enumerate(asked, start=1):
        older, before = before, row
        row = [i]
        for j, other in enumerate(word, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == word[j - 2] and asked[i - 2] == other:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
        if min(row) > most:
            return False
    return row[-1] <= most
