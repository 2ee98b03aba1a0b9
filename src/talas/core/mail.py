"""Sending mail over SMTP (RFC 5321), one message after the other over one connection.

The library waits, so each step runs in a thread.
"""

import asyncio
import contextlib
import smtplib
import ssl
from email.message import EmailMessage
from email.policy import SMTP

from prometheus_client import Counter

from talas.core.mail_server import MailServer

TIMEOUT_S = 15.0
CLOSING = 421
# The usual 78 would break long words of a header in two, such as the address of a link.
_POLICY = SMTP.clone(max_line_length=998)

MAILS = Counter("talas_mails_total", "What became of mails", ["outcome"])


class MailUnavailable(Exception):
    """The server cannot be reached, or takes no mail from us now; the message says why."""


class MailPutOff(Exception):
    """The server does not take this mail now; later it may."""


class MailRefused(Exception):
    """The server will never take this mail."""


class Outgoing:
    """A connection to the mail server, until ``close``."""

    def __init__(self, smtp: smtplib.SMTP) -> None:
        self._smtp = smtp

    @classmethod
    async def connect(cls, server: MailServer) -> "Outgoing":
        """Raises MailUnavailable."""
        return cls(await asyncio.to_thread(_connect, server))

    async def send(self, message: EmailMessage, *, sender: str, to: str) -> None:
        """``sender`` and ``to`` are plain addresses. Raises MailPutOff, MailRefused, or
        MailUnavailable: then the connection is of no more use."""
        outcome = "unavailable"
        try:
            await asyncio.to_thread(_send, self._smtp, message.as_bytes(policy=_POLICY), sender, to)
            outcome = "sent"
        except MailPutOff:
            outcome = "put_off"
            raise
        except MailRefused:
            outcome = "refused"
            raise
        finally:
            MAILS.labels(outcome).inc()

    async def close(self) -> None:
        await asyncio.to_thread(_quit, self._smtp)


def _connect(server: MailServer) -> smtplib.SMTP:
    # A password goes only to who proves to be the host that was named.
    context = ssl.create_default_context()
    if server.is_loopback or not (server.tls or server.username):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    smtp: smtplib.SMTP | None = None
    try:
        if server.tls:
            smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=TIMEOUT_S, context=context)
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=TIMEOUT_S)
            smtp.ehlo()
            if smtp.has_extn("starttls"):
                smtp.starttls(context=context)
            elif server.username and not server.is_loopback:
                raise MailUnavailable("it offers no STARTTLS: a password would travel in clear")
        if server.username and server.password:
            smtp.login(server.username, server.password)
        return smtp
    except BaseException as error:
        if smtp is not None:
            smtp.close()
        if isinstance(error, (OSError, smtplib.SMTPException, ValueError)):
            raise MailUnavailable(_reason(error)) from error
        raise


def _send(smtp: smtplib.SMTP, message: bytes, sender: str, to: str) -> None:
    try:
        smtp.sendmail(sender, [to], message)
    except smtplib.SMTPRecipientsRefused as error:
        raise _verdict(*next(iter(error.recipients.values()))) from error
    except smtplib.SMTPDataError as error:
        raise _verdict(error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:
        raise MailUnavailable(_reason(error)) from error


def _verdict(code: int, said: bytes | str) -> Exception:
    reason = _said(code, said)
    if code == CLOSING:
        return MailUnavailable(reason)
    return MailRefused(reason) if code >= 500 else MailPutOff(reason)


def _reason(error: Exception) -> str:
    """Without what was sent: it may hold a password."""
    if isinstance(error, smtplib.SMTPResponseException):
        return _said(error.smtp_code, error.smtp_error)
    return str(error) or type(error).__name__


def _said(code: int, said: bytes | str) -> str:
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    return f"{code} {text[:200]}"


def _quit(smtp: smtplib.SMTP) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException):
        smtp.quit()
    smtp.close()
