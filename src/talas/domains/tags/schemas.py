"""What the tag endpoints take and give."""

import msgspec


class Tag(msgspec.Struct, frozen=True):
    """``usage_count`` is how many tracks carry the tag that the asker may find."""

    id: int
    name: str
    usage_count: int


class TagRenaming(msgspec.Struct):
    name: str


class TagMerge(msgspec.Struct):
    """``into`` is the id of the tag that stays."""

    into: int
