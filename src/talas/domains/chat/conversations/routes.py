"""``GET /chat/dm``."""

from litestar import get

from talas.core.http.describe import PAGE_QUERY, describe
from talas.core.http.envelope import Paged
from talas.core.http.pagination import paged
from talas.core.http.request import Request
from talas.domains.chat.conversations import service
from talas.domains.chat.conversations.schemas import Conversation


@get(
    "/chat/dm",
    **describe("One's conversations, newest first", tag="chat", query=PAGE_QUERY),
)
async def list_conversations(request: Request) -> Paged[Conversation]:
    actor = await request.actor()
    page = request.read_page()
    async with request.db.connection() as conn:
        conversations, total = await service.list_conversations(conn, actor, page)
    return paged(conversations, page, total)


api_routes = [list_conversations]
