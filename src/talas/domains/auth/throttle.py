"""How often a password may be guessed: by account, and by address."""

import math

from talas.core.database import Connection
from talas.core.errors import TooManyRequests
from talas.core.limits import address_key
from talas.domains.auth import sql

ACCOUNT_LIMIT = 5
ACCOUNT_WINDOW_S = 30 * 60
ADDRESS_LIMIT = 10
ADDRESS_WINDOW_S = 60


async def check_attempt(conn: Connection, *, email: str, address: str) -> None:
    """Raises TooManyRequests after five failures on an account or ten from an address.

    Until the transaction ends, other attempts on the account or from the address wait here, in
    every process: many at once would all pass before the first failure is written down.
    """
    account, place = _account_key(email), address_key(address)
    await sql.lock_attempts(conn, [f"account {account}", f"address {place}"])
    counts = await sql.select_failure_counts(
        conn,
        account_key=account,
        address=place,
        account_window_s=ACCOUNT_WINDOW_S,
        address_window_s=ADDRESS_WINDOW_S,
        account_limit=ACCOUNT_LIMIT,
        address_limit=ADDRESS_LIMIT,
    )
    wait_s = 0.0
    if counts.of_account >= ACCOUNT_LIMIT:
        wait_s = ACCOUNT_WINDOW_S - counts.account_age_s
    if counts.of_address >= ADDRESS_LIMIT:
        wait_s = max(wait_s, ADDRESS_WINDOW_S - counts.address_age_s)
    if wait_s > 0:
        raise TooManyRequests(
            f"Too many failed attempts; try again in {_in_words(wait_s)}", retry_after_s=wait_s
        )


def _in_words(wait_s: float) -> str:
    minutes = math.ceil(wait_s / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"


async def note_failure(conn: Connection, *, email: str, address: str) -> None:
    await sql.insert_login_failure(
        conn, account_key=_account_key(email), address=address_key(address)
    )


async def forget_failures(conn: Connection, email: str) -> None:
    await sql.delete_login_failures(conn, _account_key(email))


def _account_key(email: str) -> str:
    """The same for known and unknown accounts, so that the throttle tells nothing."""
    return email.lower()
