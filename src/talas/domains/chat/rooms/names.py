"""What a room may be called."""

import re
import unicodedata

from talas.core.text import FieldChecks
from talas.domains.chat.access import MAX_ROOM_NAME, compose, name_key

# Those of Unicode's Default_Ignorable_Code_Point that are letters or marks, and three blanks.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U00013441\U00013442\U00016fe4\U000e0100-\U000e01ef]"
)


def check_room_name(checks: FieldChecks, name: str) -> str:
    """The name, trimmed. It is checked as it was sent, and with variants of characters replaced, as
    names are compared."""
    name = checks.text("name", name, max_length=MAX_ROOM_NAME, min_length=1)
    if checks.failed("name"):
        return name
    composed = compose(name)
    if not (_has_room_characters(name) and _has_room_characters(composed)):
        checks.fail("name", "name may hold only letters, digits, spaces and . _ -")
    elif not any(char.isalnum() for char in composed):
        checks.fail("name", "name must hold a letter or a digit")
    elif not name_key(name):
        checks.fail("name", f"name must be at most {MAX_ROOM_NAME} characters")
    return name


def _has_room_characters(name: str) -> bool:
    """Many scripts write vowels as marks on the letter before; a mark cannot stand first."""
    return (
        not unicodedata.category(name[0]).startswith("M")
        and not _INVISIBLE.search(name)
        and all(
            char.isalnum() or char in " ._-" or unicodedata.category(char) in ("Mn", "Mc")
            for char in name
        )
    )
