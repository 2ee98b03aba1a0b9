"""Names of files as people give them, made fit to be kept, shown and saved anywhere."""

import re
import unicodedata

MAX_FILENAME_BYTES = 255
_REMOVED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
# Without them emoji fall apart, and words of Persian or Hindi.
_JOINERS = "\u200c\u200d"
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])")
_NAMELESS = "file"


def clean_filename(name: str) -> str:
    """The last part of a path of any system, without what cannot be seen, in at most 255 bytes of
    UTF-8; the ending stays. Empty where nothing is left to go by."""
    name = name.replace("\\", "/").rpartition("/")[2]
    name = "".join(c for c in name if c in _JOINERS or unicodedata.category(c) not in _REMOVED)
    # Windows drops such ends, and with them what the name ends like.
    stem, ending = split_ending(name.strip().rstrip(". "))
    if not stem.strip(". " + _JOINERS):
        if not ending:
            return ""
        stem = _NAMELESS
    if _RESERVED.fullmatch(stem.partition(".")[0].strip().lower()):
        stem = f"_{stem}"
    if not ending:
        return _shortened(stem, MAX_FILENAME_BYTES)
    ending = _shortened(ending, MAX_FILENAME_BYTES // 2)
    return f"{_shortened(stem, MAX_FILENAME_BYTES - len(ending.encode()) - 1)}.{ending}"


def split_ending(name: str) -> tuple[str, str]:
    """What stands before the last dot and what behind it, without the dot."""
    stem, dot, ending = name.rpartition(".")
    return (stem, ending) if dot else (name, "")


def _shortened(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")
