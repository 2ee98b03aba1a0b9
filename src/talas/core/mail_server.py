"""Where mail goes out, and from whom: what two settings say."""

from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry
from urllib.parse import unquote, urlsplit

import msgspec

SMTP_PORT, SUBMISSION_PORT, SMTPS_PORT = 25, 587, 465
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_header = HeaderRegistry()


class MailServer(msgspec.Struct, frozen=True):
    """``tls`` from the first byte on; without, as soon as the server offers it."""

    host: str
    port: int
    tls: bool
    username: str | None
    password: str | None

    @property
    def is_loopback(self) -> bool:
        return self.host in _LOOPBACK


def read_smtp_url(url: str) -> MailServer:
    """Raises ValueError with a sentence that does not repeat what was given: a password may stand
    in it."""
    wrong = ValueError("must look like smtp://user:password@mail.example:587 or smtps://...")
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise wrong from None
    extra = parts.path.strip("/") or parts.query or parts.fragment
    if parts.scheme not in ("smtp", "smtps") or not host or port == 0 or extra:
        raise wrong
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    if (username is None) != (password is None):
        raise ValueError("must hold both a user and a password, or neither")
    tls = parts.scheme == "smtps"
    usual = SMTPS_PORT if tls else SUBMISSION_PORT if username else SMTP_PORT
    return MailServer(host, port or usual, tls, username, password)


def read_sender(text: str) -> Address:
    """A name, which may be left out, and an address. Raises ValueError."""
    header = _header("From", text.strip()) if text.strip().isprintable() else None
    found: tuple[Address, ...] = getattr(header, "addresses", ())
    if header is None or header.defects or len(found) != 1:
        raise ValueError(f"{text!r} must look like Talas <talas@talas.example>")
    name, address = found[0].display_name, address_of(found[0].addr_spec)
    if address is None:
        raise ValueError(f"{text!r} must look like Talas <talas@talas.example>")
    return Address(name, addr_spec=address.addr_spec)


def address_of(email: str) -> Address | None:
    """None for what no mail can be sent to: an account may have an address like ``a,b@example``. A
    domain in other letters is written as DNS knows it."""
    local, _, domain = email.rpartition("@")
    try:
        plain = f"{local}@{domain.encode('idna').decode()}"
        address = Address(addr_spec=plain)
    except (ValueError, IndexError, MessageError):
        return None
    return address if address.addr_spec == plain and plain.isascii() else None
