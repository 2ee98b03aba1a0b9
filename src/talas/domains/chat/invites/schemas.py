"""Bodies and answers of the routes of invitations by link."""

from datetime import datetime
from typing import Annotated

import msgspec

from talas.core.text import FieldChecks, within

SHORTEST_S, LONGEST_S, USUAL_S = 60, 30 * 86_400, 7 * 86_400
MOST_USES = 1_000


class NewInvite(msgspec.Struct):
    """``expires_in`` is in seconds; without ``max_uses`` any number of people may come."""

    expires_in: Annotated[int, within(SHORTEST_S, LONGEST_S)] = USUAL_S
    max_uses: Annotated[int, within(1, MOST_USES)] | None = None

    def check(self) -> None:
        """Raises InvalidData."""
        checks = FieldChecks()
        if not SHORTEST_S <= self.expires_in <= LONGEST_S:
            checks.fail(
                "expires_in", f"expires_in must be between {SHORTEST_S} and {LONGEST_S} seconds"
            )
        if self.max_uses is not None and not 1 <= self.max_uses <= MOST_USES:
            checks.fail("max_uses", f"max_uses must be between 1 and {MOST_USES}, or null")
        checks.finish()


class MadeInvite(msgspec.Struct):
    """``token`` is shown this once."""

    id: int
    token: str
    expires_at: datetime
    max_uses: int | None
    uses: int


class InvitedTo(msgspec.Struct):
    """What who holds the token learns of the room before joining; ``room`` is its name, ``title``
    that of a group."""

    room: str
    kind: str
    title: str | None
    description: str | None
    member_count: int
    invited_by: str
    expires_at: datetime
