"""How often a password may be guessed: by account, and by address."""

from talas.core.database import Connection
from talas.core.errors import TooManyRequests
from talas.domains.auth import sql

ACCOUNT_LIMIT = 5
ACCOUNT_WINDOW_S = 30 * 60
ADDRESS_LIMIT = 10
ADDRESS_WINDOW_S = 60


def account_key(email: str) -> str:
    """The same for known and unknown accounts, so that the throttle tells nothing."""
    return email.lower()


async def check_attempt(conn: Connection, *, key: str, address: str) -> None:
    """Raises TooManyRequests after five failures on an account or ten from an address."""
    counts = await sql.select_failure_counts(
        conn,
        account_key=key,
        address=address,
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
        raise TooManyRequests("Too many failed attempts; try again later", retry_after_s=wait_s)
