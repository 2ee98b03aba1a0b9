"""What comes before what. A word's points say where it was found and how well; a document's are
the sum over the words that were asked for, and what it has beyond them.

tantivy's own scores are of no use here: a rare word in a description would outdo a title, and what
is found by a prefix or with a typo scores the same everywhere.
"""

import math

NAME = 100.0
ABOUT = 85.0
NAME_START = 75.0
NAME_STEM = 65.0
ABOUT_START = 60.0
ABOUT_STEM = 55.0
TEXT = 48.0
TEXT_START = 40.0
TEXT_STEM = 35.0
NAME_MISSPELT = 24.0
NAME_START_MISSPELT = 20.0
ANY_MISSPELT = 12.0

WHOLE_NAME = 60.0
NAME_PHRASE = 40.0
ABOUT_PHRASE = 25.0
TEXT_PHRASE = 20.0
STOP_WORD = 8.0

_MOST_POPULAR = 2.0**20
_LIFT = 0.015


def weight(popularity: int) -> float:
    """tantivy multiplies a score by log2(2 + weight). What is made of it here is a lift of at most
    1.5 %, the same for each doubling: enough among equals, too little to pass a better match."""
    share = math.log2(1 + max(0, popularity)) / math.log2(_MOST_POPULAR)
    return float(2 ** (1 + _LIFT * min(1.0, share)) - 2)
