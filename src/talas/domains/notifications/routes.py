"""``/notifications``: what concerned the caller while they were not there."""

from litestar import get, put
from litestar.params import FromPath
from msgspec import UNSET

from talas.core.http.describe import PAGE_QUERY, choice_query, describe
from talas.core.http.envelope import Acknowledged, Envelope, Paged, ok
from talas.core.http.pagination import paged, parse_choice
from talas.core.http.request import Request
from talas.domains.notifications import service
from talas.domains.notifications.digest.routes import api_routes as digest_routes
from talas.domains.notifications.schemas import Notification, ReadUpTo, UnreadCount

_SWITCH = ("true", "false")


@get(
    "/notifications",
    **describe(
        "One's own notifications, the newest first",
        tag="notifications",
        query=(*PAGE_QUERY, choice_query("unread", "Only what was not read", _SWITCH)),
    ),
)
async def list_notifications(request: Request) -> Paged[Notification]:
    """Direct messages that came while one had no socket open; mentions, and answers to one's
    messages, in rooms that one had not joined with a socket; invitations. They are kept for 90
    days."""
    actor = await request.actor()
    page = request.read_page()
    unread = parse_choice("unread", request.query_params.get("unread"), _SWITCH) == "true"
    async with request.db.connection() as conn:
        rows, total = await service.list_notifications(conn, actor.user_id, page, unread=unread)
    return paged(rows, page, total)


@get(
    "/notifications/unread-count",
    **describe("How many of one's notifications were not read", tag="notifications"),
)
async def count_unread(request: Request) -> Envelope[UnreadCount]:
    """Exact below 1,000; 1000 means so many or more."""
    actor = await request.actor()
    async with request.db.connection() as conn:
        return ok(UnreadCount(await service.count_unread(conn, actor.user_id)))


@put(
    "/notifications/{notification_id:int}/read",
    **describe("Mark a notification as read", tag="notifications", errors=(404,)),
)
async def mark_read(request: Request, notification_id: FromPath[int]) -> Acknowledged:
    actor = await request.actor()
    async with request.db.transaction() as conn:
        await service.mark_read(conn, actor.user_id, notification_id)
    return Acknowledged(message="Notification read")


@put(
    "/notifications/read",
    **describe("Mark notifications as read", tag="notifications", body=ReadUpTo),
)
async def mark_read_up_to(request: Request) -> Acknowledged:
    """The one with the id ``up_to`` and all older ones; without ``up_to``, all."""
    actor = await request.actor()
    body = await request.body_as(ReadUpTo)
    up_to = None if body.up_to is UNSET else body.up_to
    # Each statement by itself: there may be many, and none waits for the others.
    async with request.db.connection() as conn:
        await service.mark_read_up_to(conn, actor.user_id, up_to)
    return Acknowledged(message="Notifications read")


api_routes = [list_notifications, count_unread, mark_read, mark_read_up_to, *digest_routes]
