"""One mail of what somebody missed: as text, and as HTML."""

import hashlib
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from html import escape
from urllib.parse import quote

import msgspec

from talas.core.settings import MailSettings
from talas.domains.notifications.digest.sql import DigestRow
from talas.domains.notifications.schemas import shortened

# What would end a line, hide or turn around what comes after it.
_UNSHOWN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028-\u202e\u2066-\u2069]+")


class Digest(msgspec.Struct, frozen=True):
    """``rows`` are the newest of what there is, newest first; not empty."""

    username: str
    rows: Sequence[DigestRow]
    unsubscribe_token: str

    @property
    def counts(self) -> str:
        first = self.rows[0]
        parts = [
            _counted(first.dms, "direct message", "direct messages"),
            _counted(first.mentions, "mention", "mentions"),
            _counted(first.replies, "answer", "answers"),
            _counted(first.invitations, "invitation", "invitations"),
        ]
        *others, last = [part for part in parts if part]
        return f"{', '.join(others)} and {last}" if others else last

    @property
    def left_out(self) -> int:
        first = self.rows[0]
        total = first.dms + first.mentions + first.replies + first.invitations
        return total - len(self.rows)


def compose(digest: Digest, to: Address, settings: MailSettings) -> EmailMessage:
    """Nothing that people have written stands in a header but the address itself."""
    link = (
        f"{settings.public_url}/api/v1/notifications/unsubscribe"
        f"?token={quote(digest.unsubscribe_token)}"
    )
    message = EmailMessage()
    message["From"] = settings.sender
    message["To"] = to
    message["Subject"] = f"{digest.counts} on Talas"
    message["Date"] = datetime.now(UTC)
    message["Message-ID"] = f"<{_name(digest)}@{settings.sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"
    message["List-Unsubscribe"] = f"<{link}>"
    message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    # No line is too long for any server, and no letter is one that it does not know.
    message.set_content(_text(digest, settings.public_url, link), cte="quoted-printable")
    html = _html(digest, settings.public_url, link)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    return message


def _name(digest: Digest) -> str:
    """The same for a mail that is sent again, because nobody knows whether it arrived."""
    what = f"{digest.unsubscribe_token} {digest.rows[0].id}"
    return f"digest.{hashlib.sha256(what.encode()).hexdigest()[:32]}"


def _text(digest: Digest, public_url: str, link: str) -> str:
    lines = [
        f"Hello {_one_line(digest.username)},",
        "",
        f"this came for you while you were not on Talas ({public_url}):",
        f"{digest.counts}.",
        "",
    ]
    for row in reversed(digest.rows):
        lines.append(f"{_what(row)}, {_when(row)}")
        if row.excerpt is not None:
            lines.append(f"> {_excerpt(row)}")
        lines.append("")
    if digest.left_out:
        lines += [f"And {digest.left_out} more before that.", ""]
    return "\n".join([*lines, "--", "To get no more mails like this one:", link, ""])


def _html(digest: Digest, public_url: str, link: str) -> str:
    parts = [
        f"<p>Hello {escape(_one_line(digest.username))},</p>",
        f'<p>this came for you while you were not on <a href="{escape(public_url)}">Talas</a>: ',
        f"{escape(digest.counts)}.</p>",
    ]
    for row in reversed(digest.rows):
        parts.append(f"<p><strong>{escape(_what(row))}</strong>, {_when(row)}</p>")
        if row.excerpt is not None:
            parts.append(f"<blockquote>{escape(_excerpt(row))}</blockquote>")
    if digest.left_out:
        parts.append(f"<p>And {digest.left_out} more before that.</p>")
    parts.append(f'<p><small><a href="{escape(link)}">No more mails like this one</a></small></p>')
    body = "\n".join(parts)
    return f'<!doctype html>\n<html lang="en"><body>\n{body}\n</body></html>\n'


def _what(row: DigestRow) -> str:
    who = _one_line(row.from_username)
    room = row.title or row.room
    where = f" in {_one_line(room)}" if room else ""
    match row.kind:
        case "dm":
            return f"{who} wrote to you"
        case "mention":
            return f"{who} mentioned you{where}"
        case "reply":
            return f"{who} answered you{where}"
        case _:
            return f"{who} invited you to {_one_line(room or 'a room')}"


def _when(row: DigestRow) -> str:
    return f"{row.created_at:%Y-%m-%d %H:%M} UTC"


def _excerpt(row: DigestRow) -> str:
    return shortened(_one_line(row.excerpt or ""))


def _one_line(text: str) -> str:
    return _UNSHOWN.sub(" ", text).strip()


def _counted(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}" if number else ""
