"""Who acts as an administrator over HTTP."""

from talas.core.http.request import Request
from talas.core.permissions import Permission
from talas.domains.admin.audit import Administrator


async def acting(request: Request, permission: Permission) -> Administrator:
    """Who sent the request, and from where. Raises Forbidden without the permission."""
    actor = await request.actor()
    actor.require(permission)
    return Administrator.of(actor, address=request.client_address)
