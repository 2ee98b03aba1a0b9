"""The JSON that every answer comes in."""

from typing import Generic, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from talas.core.errors import FieldError, TalasError

T = TypeVar("T")


class Envelope(msgspec.Struct, Generic[T], kw_only=True):
    success: bool = True
    message: str | UnsetType = UNSET
    data: T


class Acknowledged(msgspec.Struct, kw_only=True):
    """An answer that carries a sentence and nothing else."""

    success: bool = True
    message: str


class Pagination(msgspec.Struct, frozen=True):
    page: int
    limit: int
    total: int
    pages: int


class Paged(msgspec.Struct, Generic[T], kw_only=True):
    success: bool = True
    data: list[T]
    pagination: Pagination


class Failure(msgspec.Struct, kw_only=True):
    """``error`` is for a person, ``code`` for a program and stable."""

    success: bool = False
    error: str
    code: str
    details: list[FieldError] | UnsetType = UNSET


def ok(data: T, message: str | UnsetType = UNSET) -> Envelope[T]:
    return Envelope(data=data, message=message)


def encode_failure(error: TalasError) -> bytes:
    failure = Failure(error=error.message, code=error.code, details=error.details or UNSET)
    return msgspec.json.encode(failure)
