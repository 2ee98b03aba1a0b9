"""Who was away for a while is told by mail, once, of what they missed."""

import contextlib
import time
from collections.abc import AsyncIterator

import structlog

from talas.core.database import Connection, Database, is_unavailable
from talas.core.mail import MailPutOff, MailRefused, MailUnavailable, Outgoing
from talas.core.mail_server import MailServer, address_of
from talas.core.settings import Settings
from talas.domains.notifications.digest import sql
from talas.domains.notifications.digest.links import read_unsubscribe_token, unsubscribe_token
from talas.domains.notifications.digest.mail import Digest, compose

MAX_SHOWN = 5
PEOPLE_AT_ONCE = 1_000
# The next round begins after a minute.
ROUND_S = 50.0

log = structlog.get_logger()


class _Post:
    """The mail server, connected to when there is something to send."""

    def __init__(self, server: MailServer) -> None:
        self._server = server
        self._outgoing: Outgoing | None = None
        self.sent = 0
        self._sent_before = 0

    async def open(self) -> Outgoing:
        """Raises MailUnavailable."""
        if self._outgoing is None:
            self._outgoing = await Outgoing.connect(self._server)
            self._sent_before = self.sent
        return self._outgoing

    async def close(self) -> None:
        outgoing, self._outgoing = self._outgoing, None
        if outgoing is not None:
            await outgoing.close()

    @property
    def was_of_use(self) -> bool:
        """Something was sent since it was opened: some servers want few mails at a time."""
        return self.sent > self._sent_before


async def send_digests(db: Database, settings: Settings) -> int:
    """One mail for each who is due; how many were sent. While the mail server cannot be reached,
    nothing is marked, and the next round tries again.

    What a mail tells of is marked before it is sent, so that nobody is told twice: a mail that is
    being sent when the worker is killed is lost.
    """
    assert settings.mail.server is not None
    post, until = _Post(settings.mail.server), time.monotonic() + ROUND_S
    try:
        async for user_id in _due(db, settings.mail.digest_after_s):
            if time.monotonic() > until:
                break
            await post.open()
            try:
                await _send_to(db, settings, post, user_id)
            except MailUnavailable:
                worked = post.was_of_use
                await post.close()
                if not worked:
                    raise
    except MailUnavailable as error:
        log.warning("digest.mail_server_unavailable", error=str(error))
    finally:
        with contextlib.suppress(MailUnavailable):
            await post.close()
    return post.sent


async def unsubscribe(conn: Connection, secret: str, token: str) -> None:
    """No more digests for whom the token names. Raises InvalidData."""
    await sql.upsert_no_digest(conn, read_unsubscribe_token(secret, token))


async def _due(db: Database, quiet_s: int) -> AsyncIterator[int]:
    after_id = 0
    while True:
        async with db.connection() as conn:
            people = await sql.select_people(
                conn, after_id=after_id, limit=PEOPLE_AT_ONCE, quiet_s=quiet_s
            )
        for person in people:
            if person.due:
                yield person.user_id
        if len(people) < PEOPLE_AT_ONCE:
            return
        after_id = people[-1].user_id


async def _send_to(db: Database, settings: Settings, post: _Post, user_id: int) -> None:
    """Raises MailUnavailable."""
    try:
        async with db.transaction() as conn:
            claimed = await sql.update_mailed(conn, user_id, quiet_s=settings.mail.digest_after_s)
            recipient = await sql.select_recipient(conn, user_id)
            rows = await sql.select_digest(conn, claimed, limit=MAX_SHOWN)
    except Exception as error:
        if is_unavailable(error):
            log.warning("digest.not_read", user_id=user_id, error=str(error))
            return
        raise
    if recipient is None or not rows:
        return
    to = address_of(recipient.email)
    if to is None:
        log.warning("digest.no_mail_address", user_id=user_id)
        return
    token = unsubscribe_token(settings.auth.jwt_secret, user_id)
    message = compose(Digest(recipient.username, rows, token), to, settings.mail)
    outgoing = await post.open()
    try:
        await outgoing.send(message, sender=settings.mail.sender.addr_spec, to=to.addr_spec)
        post.sent += 1
        log.info("digest.sent", user_id=user_id, notifications=len(claimed))
    except MailRefused as error:
        log.warning("digest.refused", user_id=user_id, reason=str(error))
    except (MailPutOff, MailUnavailable) as error:
        log.warning("digest.put_off", user_id=user_id, reason=str(error))
        async with db.connection() as conn:
            await sql.update_not_mailed(conn, claimed)
        if isinstance(error, MailUnavailable):
            raise
