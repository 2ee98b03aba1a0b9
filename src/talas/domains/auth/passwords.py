"""Passwords: what may be one, and how one is kept (argon2id, RFC 9106)."""

import asyncio
import functools
import importlib.resources
import re
from concurrent.futures import ThreadPoolExecutor

import argon2

from talas.core.text import FieldChecks

MIN_LENGTH = 8
MAX_LENGTH = 128
_HOUSE_NAME = re.compile(r"(?:[\W\d_]*talas)+[\W\d_]*")
# OWASP's floor: 19 MiB, two passes, one lane.
_hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
# Hashing releases the GIL; more threads than cores would only starve the event loop.
_threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="argon2")
# Verified in place of the hash that an unknown account does not have, so that both take
# equally long. No password gives this hash.
_NOBODYS_HASH = _hasher.hash("\x00nobody")


@functools.cache
def _common_passwords() -> frozenset[str]:
    text = importlib.resources.files(__package__).joinpath("common_passwords.txt").read_text()
    return frozenset(text.splitlines())


def check_new_password(
    checks: FieldChecks, field: str, password: str, *, own_names: tuple[str, ...]
) -> None:
    """Length in characters, any of Unicode; not common, not one of the account's own names, not
    the house's name with digits around it."""
    checks.password(field, password, min_length=MIN_LENGTH, max_length=MAX_LENGTH)
    folded = password.casefold()
    if checks.failed(field):
        return
    if folded in (name.strip().casefold() for name in own_names):
        checks.fail(field, f"{field} must not be your username or e-mail")
    elif folded in _common_passwords() or _HOUSE_NAME.fullmatch(folded):
        checks.fail(field, f"{field} is among the most common ones; choose another")


async def hash_password(password: str) -> str:
    return await asyncio.get_running_loop().run_in_executor(_threads, _hasher.hash, password)


async def verify_password(password_hash: str | None, password: str) -> bool:
    """False for an account that does not exist (``None``), after as much work."""
    return await asyncio.get_running_loop().run_in_executor(
        _threads, _verify, password_hash or _NOBODYS_HASH, password
    )


def needs_rehash(password_hash: str) -> bool:
    return _hasher.check_needs_rehash(password_hash)


def _verify(password_hash: str, password: str) -> bool:
    # Longer than any password can be: not worth hashing, yet it must take as long.
    guess = password if len(password) <= MAX_LENGTH and _is_encodable(password) else ""
    try:
        return _hasher.verify(password_hash, guess)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)
