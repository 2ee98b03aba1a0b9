"""Mail out to a real server: in clear, encrypted, with a password, refused."""

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import msgspec
import pytest
from tests.builders.mail import MailBox, mail_box
from tests.ports import free_port

from talas.core.mail import MailPutOff, MailRefused, MailUnavailable, Outgoing
from talas.core.mail_server import MailServer, address_of, read_sender, read_smtp_url
from talas.core.settings import SettingsError, load_settings


@pytest.fixture
def box() -> Iterator[MailBox]:
    with mail_box() as box:
        yield box


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """One that nobody has any reason to trust."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder: Path = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subprocess.run(
        [*made, "-keyout", str(key), "-out", str(cert), "-subj", "/CN=elsewhere.example"],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def letter() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@x.example", "b@x.example", "Hello"
    message.set_content("Hello\n.\nthere")
    return message


async def send(server: MailServer, *, times: int = 1) -> None:
    outgoing = await Outgoing.connect(server)
    try:
        for _ in range(times):
            await outgoing.send(letter(), sender="a@x.example", to="b@x.example")
    finally:
        await outgoing.close()


async def test_several_over_one_connection(box: MailBox) -> None:
    await send(read_smtp_url(box.url), times=3)
    assert [mail.text.split() for mail in box.mails] == [["Hello", ".", "there"]] * 3


async def test_starttls_is_taken_where_it_is_offered(certificate: ssl.SSLContext) -> None:
    with mail_box(tls_context=certificate) as box:
        await send(read_smtp_url(box.url))
        assert [mail.encrypted for mail in box.mails] == [True]


async def test_a_password_is_sent_and_may_be_wrong(box: MailBox) -> None:
    with mail_box(auth_require_tls=False) as box:
        at = f"localhost:{box.port}"
        await send(read_smtp_url(f"smtp://me%40x:right@{at}"))
        assert box.logins == [(b"me@x", b"right")]
        with pytest.raises(MailUnavailable, match=r"^535 ") as refusal:
            await send(read_smtp_url(f"smtp://me:hunter2@{at}"))
        assert "hunter2" not in str(refusal.value)
        assert len(box.mails) == 1


async def test_a_password_goes_only_to_who_proves_who_it_is(
    certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On this machine nobody has to: here it is taken for another one."""
    monkeypatch.setattr(MailServer, "is_loopback", False)
    with mail_box(tls_context=certificate) as box:
        with pytest.raises(MailUnavailable, match="certificate"):
            await send(read_smtp_url(f"smtp://me:right@localhost:{box.port}"))
        assert box.logins == []
        await send(read_smtp_url(box.url))
        assert [mail.encrypted for mail in box.mails] == [True]
    with mail_box(auth_require_tls=False) as box:
        with pytest.raises(MailUnavailable, match="STARTTLS"):
            await send(read_smtp_url(f"smtp://me:right@localhost:{box.port}"))
        assert box.logins == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 later", MailPutOff),
        ("550 never", MailRefused),
        ("421 closing", MailUnavailable),
    ],
)
async def test_what_the_server_says(box: MailBox, answer: str, error: type[Exception]) -> None:
    box.refusals = [answer]
    with pytest.raises(error, match=answer):
        await send(read_smtp_url(box.url))
    box.data_refusal = answer
    with pytest.raises(error, match=answer):
        await send(read_smtp_url(box.url))
    box.data_refusal = None
    await send(read_smtp_url(box.url))


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_no_server(scheme: str) -> None:
    with pytest.raises(MailUnavailable):
        await send(read_smtp_url(f"{scheme}://localhost:{free_port()}"))


async def test_a_server_that_speaks_no_tls(box: MailBox) -> None:
    with pytest.raises(MailUnavailable):
        await send(read_smtp_url(f"smtps://localhost:{box.port}"))


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://localhost:1025", ("localhost", 1025, False, None, None)),
        ("smtp://relay", ("relay", 25, False, None, None)),
        ("smtp://me%40x:p%3Aw%2F@host", ("host", 587, False, "me@x", "p:w/")),
        ("smtps://me:pw@host/", ("host", 465, True, "me", "pw")),
        (" smtps://[::1]:99 ", ("::1", 99, True, None, None)),
    ],
)
def test_where_mail_goes_out(url: str, server: tuple[object, ...]) -> None:
    assert msgspec.structs.astuple(read_smtp_url(url)) == server


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        *(
            ("SMTP_URL", url, "smtp://user:password@mail.example:587")
            for url in ("mail.example", "http://x", "smtp://", "smtp://x:0", "smtp://x:99999")
        ),
        ("SMTP_URL", "smtp://u:hunter2@x/path", "smtp://user:password@mail.example:587"),
        ("SMTP_URL", "smtp://[x", "smtp://user:password@mail.example:587"),
        ("SMTP_URL", "smtp://user@host", "both a user and a password"),
        ("MAIL_FROM", "nobody", "Talas <talas@talas.example>"),
        ("MAIL_FROM", "a@b.example, c@d.example", "Talas <talas@talas.example>"),
        ("MAIL_FROM", "A\nBcc: x@y.example <a@b.example>", "Talas <talas@talas.example>"),
        ("PUBLIC_URL", "talas.example", "https://talas.example"),
        ("PUBLIC_URL", "javascript:alert(1)", "https://talas.example"),
        ("PUBLIC_URL", 'https://a.example/"><b>', "https://talas.example"),
        ("PUBLIC_URL", "https://a.example?x=1", "https://talas.example"),
        ("PUBLIC_URL", "https://me@a.example", "https://talas.example"),
        ("DIGEST_AFTER", "soon", "write it like 24h"),
        ("DIGEST_AFTER", "0s", "write it like 24h"),
    ],
)
def test_a_bad_setting_names_itself(variable: str, value: str, hint: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load_settings(_env_file=None, jwt_secret="x" * 32, **{variable.lower(): value})
    sentence = str(refusal.value)
    assert sentence.startswith(f"{variable}: ")
    assert hint in sentence
    assert "hunter2" not in sentence


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8080"),
        ({"host": "0.0.0.0", "port": 81}, "http://localhost:81"),
        ({"host": "::1"}, "http://[::1]:8080"),
        ({"public_url": " https://talas.example/music/ "}, "https://talas.example/music"),
    ],
)
def test_where_people_reach_talas(given: dict[str, object], url: str) -> None:
    settings = load_settings(_env_file=None, jwt_secret="x" * 32, **given)
    assert settings.mail.public_url == url
    assert settings.mail.server is None
    assert settings.mail.digest_after_s == 15 * 60


def test_who_writes() -> None:
    sender = read_sender('"Tälas, the house" <talas@talas.example>')
    assert (sender.display_name, sender.addr_spec) == ("Tälas, the house", "talas@talas.example")
    assert read_sender("talas@localhost").addr_spec == "talas@localhost"


@pytest.mark.parametrize(
    ("email", "address"),
    [
        ("a.b+c@example.com", "a.b+c@example.com"),
        ("a@exämple.com", "a@xn--exmple-cua.com"),
        *((odd, None) for odd in ("a,b@x.org", "<a>@x.org", "a@x.org>", "é@x.org", "(c)a@x.org")),
        *((odd, None) for odd in ("a:b@x.org", "=?utf-8?q?x?=@x.org", 'a"b@x', "@x", "a@x..y")),
        *((odd, None) for odd in ("a@" + "x" * 90, "a", "", "a@\u2024", "a@b@c")),
    ],
)
def test_what_mail_can_be_sent_to(email: str, address: str | None) -> None:
    found = address_of(email)
    assert (found and found.addr_spec) == address
