"""The link that ends the mails: whoever has it needs no login, so it says for whom by itself."""

import hashlib
import hmac
from base64 import urlsafe_b64encode

from talas.core.errors import InvalidData

# No token of JWT begins like this: a signature is good for one purpose.
_PURPOSE = "talas: no more digests: "
_MAX_TOKEN = 100


def unsubscribe_token(secret: str, user_id: int) -> str:
    """Good as long as the secret is: a mail may be old when somebody has had enough."""
    return f"{user_id}.{_signature(secret, str(user_id))}"


def read_unsubscribe_token(secret: str, token: str) -> int:
    """The user's id; raises InvalidData for what we have not signed."""
    user_id, _, signature = token.partition(".")
    if not (
        token.isascii()
        and len(token) <= _MAX_TOKEN
        and hmac.compare_digest(_signature(secret, user_id), signature)
    ):
        raise InvalidData("The link is not whole, or no longer good", code="invalid_link")
    return int(user_id)


def _signature(secret: str, user_id: str) -> str:
    signed = hmac.digest(secret.encode(), f"{_PURPOSE}{user_id}".encode(), hashlib.sha256)
    return urlsafe_b64encode(signed).rstrip(b"=").decode()
