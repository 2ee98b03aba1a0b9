"""Rows that have an object in storage, for who asks no more of it than the row."""

import msgspec


class StoredRow(msgspec.Struct, frozen=True):
    """A row that says where its object is."""

    id: int
    storage_key: str
