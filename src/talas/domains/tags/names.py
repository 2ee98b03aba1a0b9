"""What a tag may be called, and which spellings name the same one."""

import re
import unicodedata

from talas.core.text import FieldChecks

MAX_TAGS = 20
MAX_TAG = 50
# Spaces, letters with their accents apart and repetitions included.
_MAX_SENT = 5 * MAX_TAGS * MAX_TAG
# White space, without the controls that no text may hold.
_SPACES = re.compile(r"[^\S\x0b-\x1f]+")
# What nothing is drawn for (Default_Ignorable_Code_Point of Unicode), and the controls C1: with
# them two tags would look the same.
_UNSEEN = re.compile(
    "[\x80-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def normal_form(tag: str) -> str:
    """What spellings have in common that name the same tag: composed, in lower case, with single
    spaces and without what cannot be seen."""
    seen = _UNSEEN.sub("", _SPACES.sub(" ", tag))
    lower = unicodedata.normalize("NFC", seen).lower()
    return _SPACES.sub(" ", unicodedata.normalize("NFC", lower)).strip(" ")


def check_tag(checks: FieldChecks, field: str, tag: str, *, min_length: int = 0) -> str:
    """In its normal form."""
    # Before the length is checked: lower case may be longer.
    name = normal_form(tag)
    return checks.text(field, name, max_length=MAX_TAG, min_length=min_length)


def check_tags(checks: FieldChecks, texts: list[str]) -> list[str]:
    """In their normal form, each once, in the order given. In each text commas separate tags;
    empty ones fall away."""
    if len(texts) + sum(map(len, texts)) > _MAX_SENT:
        checks.fail("tags", f"tags must be at most {MAX_TAGS} of at most {MAX_TAG} characters")
        return []
    names: dict[str, None] = {}
    for tag in ",".join(texts).split(","):
        if name := check_tag(checks, "tags", tag):
            names[name] = None
        if len(names) > MAX_TAGS:
            checks.fail("tags", f"tags must be at most {MAX_TAGS}")
        if checks.failed("tags"):
            break
    return [*names]
