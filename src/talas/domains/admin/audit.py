"""Who acts as an administrator, and the trace that each act leaves."""

from typing import Any, Self

import msgspec

from talas.core.database import Connection
from talas.core.errors import Forbidden
from talas.core.permissions import Role
from talas.core.sessions import Actor
from talas.core.tokens import InvalidToken
from talas.domains.admin import sql
from talas.domains.admin.schemas import ACTIONS


class Administrator(msgspec.Struct, frozen=True):
    """Who acts, and from where. The command line acts as nobody in particular, with all rights."""

    user_id: int | None
    name: str
    role: Role
    address: str

    @classmethod
    def of(cls, actor: Actor, *, address: str) -> Self:
        """Who sent a request, with the address that it came from."""
        return cls(actor.user_id, actor.username, actor.role, address)


async def write_audit(
    conn: Connection,
    by: Administrator,
    action: str,
    target_id: int,
    *,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> None:
    """In the transaction of the act itself: neither is there without the other. ``action`` is one
    of ACTIONS, and names the type of the target.

    Raises InvalidToken or Forbidden where who acts has lost their account or their role since
    they asked: a body may take its time.
    """
    assert action in ACTIONS, action
    await _check_still_holds(conn, by)
    await sql.insert_audit(
        conn,
        actor_id=by.user_id,
        actor_name=by.name,
        action=action,
        target_type=action.partition(".")[0],
        target_id=target_id,
        before=before,
        after=after,
        address=by.address,
    )


async def _check_still_holds(conn: Connection, by: Administrator) -> None:
    if by.user_id is None:
        return
    role = await sql.select_active_role_for_share(conn, by.user_id)
    if role is None:
        raise InvalidToken
    if Role(role).rank < by.role.rank:
        raise Forbidden("Your role does not allow this")
