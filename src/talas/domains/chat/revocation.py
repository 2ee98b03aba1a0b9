"""Sockets end with the session or account that opened them."""

import asyncio
from collections.abc import Iterable
from typing import Any

import structlog

from talas.core.database import is_unavailable
from talas.core.errors import Unauthenticated
from talas.core.events import EPHEMERAL, EventListener
from talas.core.sessions import SESSION_ENDED, USER_CHANGED
from talas.domains.chat import sql
from talas.domains.chat.connection import Close
from talas.domains.chat.events.service import TOPS
from talas.domains.chat.frames import encode_event
from talas.domains.chat.hints import show_hint
from talas.domains.chat.hub import Member
from talas.domains.chat.node import Node

USER_NOTIFY = "user.notify"
"""``{user_id, type, data}``: every socket of the user is shown ``{"type", "data"}``."""

_RETRY_S = 1.0
_LOOK_S = 1.0

log = structlog.get_logger()


def watch_events(node: Node, events: EventListener) -> None:
    """The guard must listen already: what is asked of it here has to be newer than the event."""
    hub = node.hub

    def session_ended(event: dict[str, Any]) -> None:
        for member in list(hub.sessions.get(event["session_id"], ())):
            node.spawn(_close_ended(node, member))

    def user_changed(event: dict[str, Any]) -> None:
        user = hub.users.get(event["user_id"])
        if user is not None and user.sockets:
            node.spawn(recheck(node, list(user.sockets)))

    def notified(event: dict[str, Any]) -> None:
        hub.tell_user(event["user_id"], encode_event(event["type"], event["data"]))

    def may_have_missed_some() -> None:
        if hub.sockets:
            node.spawn(recheck(node, list(hub.sockets)))

    events.on(SESSION_ENDED, session_ended)
    events.on(USER_CHANGED, user_changed)
    events.on(USER_NOTIFY, notified)
    events.on_gap(may_have_missed_some)
    _watch_places(node, events)


def _watch_places(node: Node, events: EventListener) -> None:
    """What the api announces comes by ``events``, and the chat processes' own by the bus, which may
    be the same."""
    follower = node.follower
    events.on(TOPS, follower.heard_tops)
    events.on(EPHEMERAL, lambda event: show_hint(node, event))
    events.on_gap(follower.compare_soon)
    if node.bus.carries_tops:
        node.bus.on(TOPS, follower.heard_tops)
        node.bus.on(EPHEMERAL, lambda event: show_hint(node, event))
        node.bus.on_gap(follower.compare_soon)


async def recheck(node: Node, members: Iterable[Member]) -> None:
    """Takes over a new name or role, and closes what is no longer signed in."""
    for member in members:
        while member.is_open:
            claims = member.claims
            actor = None
            try:
                actor = await node.guard.actor_of(claims)
            except Unauthenticated:
                pass
            except Exception as error:
                if not is_unavailable(error):
                    log.exception("chat.recheck_failed")
                await asyncio.sleep(_RETRY_S)
                continue
            if member.claims is not claims:
                # The answer is about the session that the socket had before.
                continue
            if actor is None:
                await _close_ended(node, member)
            else:
                member.actor = actor
            break


async def _close_ended(node: Node, member: Member) -> None:
    """A suspension ends the sessions too, and theirs is the event that comes first."""
    suspended = False
    member.hold()
    try:
        async with asyncio.timeout(_LOOK_S), node.db.connection() as conn:
            suspended = await sql.select_is_suspended(conn, member.actor.user_id)
    except Exception as error:
        # Closing is what matters, and does not wait for the database.
        if not is_unavailable(error):
            log.exception("chat.reason_unknown")
    if suspended:
        member.close(Close.SUSPENDED, "account suspended")
    else:
        member.close(Close.TOKEN_ENDED, "session ended")
