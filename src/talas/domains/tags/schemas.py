"""What the tag endpoints take and give."""

from typing import Annotated

import msgspec

from talas.core.text import length
from talas.domains.tags.names import MAX_TAG


class Tag(msgspec.Struct, frozen=True):
    """``usage_count`` is how many tracks carry the tag that the asker may find."""

    id: int
    name: str
    usage_count: int


class TagRenaming(msgspec.Struct):
    name: Annotated[str, length(MAX_TAG, least=1)]


class TagMerge(msgspec.Struct):
    """``into`` is the id of the tag that stays."""

    into: int
