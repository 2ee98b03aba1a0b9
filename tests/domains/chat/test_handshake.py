"""Who may open a socket, and what else is answered on its port."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import asyncpg
import httpx
import pytest
from tests.builders.chat import ChatProcess, Client, connected, create_token
from tests.domains.chat.conftest import MakePerson, running
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from talas.core.open_files import allow_many_sockets
from talas.core.settings import Settings
from talas.core.tokens import TokenType


async def refused(
    chat: ChatProcess, query: str = "", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, object]]:
    with pytest.raises(InvalidStatus) as caught:
        async with connect(chat.url + query, additional_headers=headers, proxy=None):
            pass
    response = caught.value.response
    return response.status_code, json.loads(bytes(response.body or b""))


async def test_a_token_in_the_query_or_the_header_opens_a_socket(
    chat: ChatProcess, make_person: MakePerson
) -> None:
    ann = await make_person()
    async with connected(chat, ann) as a:
        await a.join()
    headers = {"Authorization": f"Bearer {ann.token}"}
    async with connect(chat.url, additional_headers=headers, proxy=None) as socket:
        await Client(socket).join()
        assert socket.protocol.extensions == []


async def test_without_a_good_token_the_handshake_is_refused(
    chat: ChatProcess, make_person: MakePerson, settings: Settings, db: asyncpg.Connection
) -> None:
    ann, bob = await make_person(), await make_person()
    suspended = await make_person(status="suspended")
    await db.execute("UPDATE sessions SET ended_at = now() WHERE id = $1", bob.session_id)
    assert await refused(chat) == (
        401,
        {"success": False, "error": "Missing authorization header", "code": "missing_token"},
    )
    for token in (
        "",
        "nonsense",
        ann.token[:-2],
        create_token(settings, ann, lifetime_s=-1),
        create_token(settings, ann, typ=TokenType.REFRESH),
        create_token(settings, ann, typ=TokenType.MEDIA),
        create_token(settings, ann, session_id=2**31 - 1),
        create_token(settings, ann, session_id=bob.session_id),
        bob.token,
        suspended.token,
    ):
        status, answer = await refused(chat, f"?token={token}&x=1")
        assert (status, answer["success"]) == (401, False), token
    for header in ("Bearer nonsense", "Basic abc", "Bearer", "x"):
        assert (await refused(chat, headers={"Authorization": header}))[0] == 401


async def test_only_listed_origins_may_connect(chat: ChatProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    query = f"?token={ann.token}"
    for origin in ("http://localhost:3000", "http://localhost:8000"):
        async with connect(chat.url + query, origin=origin, proxy=None) as socket:  # type: ignore[arg-type]
            await Client(socket).join()
    for origin in ("null", "http://evil.example", "http://localhost:3000.evil.example"):
        status, answer = await refused(chat, query, {"Origin": origin})
        assert (status, answer["code"]) == (403, "forbidden")


async def test_other_paths(chat: ChatProcess, make_person: MakePerson) -> None:
    ann = await make_person()
    assert (await refused(chat, f"chat?token={ann.token}"))[0] == 404
    async with httpx.AsyncClient(base_url=chat.http, trust_env=False) as http:
        assert (await http.get("/health")).json() == {"status": "ok"}
        assert (await http.get("/ready")).json() == {"status": "ready"}
        assert (await http.get("/nothing")).status_code == 404
        assert (await http.get("/")).status_code == 401
        # A plain request with a good token is no handshake.
        assert (await http.get("/", params={"token": ann.token})).status_code == 426
        senseless = await http.get(f"/?token={ann.token}{'&x=1' * 30}")
        assert (senseless.status_code, senseless.json()["code"]) == (400, "invalid_data")
        assert (await http.get("/health", headers={"x": "y" * 20_000})).status_code in (400, 431)


async def test_one_process_answers_for_the_sockets_of_all(
    settings: Settings, make_person: MakePerson, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under ``talas serve``, which names a folder that its processes share."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    ann = await make_person()

    async def open_sockets() -> str:
        async with httpx.AsyncClient(base_url=one.http, trust_env=False) as http:
            lines = (await http.get("/metrics")).text.splitlines()
        return next(line for line in lines if line.startswith("talas_chat_open_sockets "))

    async with running(settings) as one, running(settings) as other:
        async with connected(one, ann) as a, connected(other, ann) as b:
            for client in (a, b):
                await client.join()
            assert await open_sockets() == "talas_chat_open_sockets 2.0"
        async with asyncio.timeout(60):
            while await open_sockets() != "talas_chat_open_sockets 0.0":
                await asyncio.sleep(0.05)


async def test_metrics_for_this_machine_and_who_has_the_token(
    settings: Settings, make_person: MakePerson
) -> None:
    ann = await make_person()
    async with running(settings, metrics_token="m" * 20) as chat, connected(chat, ann) as a:
        await a.join()
        await a.ask(type="message", room="general", content="counted")
        async with httpx.AsyncClient(base_url=chat.http, trust_env=False) as http:
            text = (await http.get("/metrics")).text
            assert "talas_chat_open_sockets 1.0" in text
            assert "talas_chat_messages_total 1.0" in text
            forwarded = {"X-Forwarded-For": "203.0.113.7"}
            assert (await http.get("/metrics", headers=forwarded)).status_code == 403
            token = {**forwarded, "Authorization": "Bearer " + "m" * 20}
            assert (await http.get("/metrics", headers=token)).status_code == 200
            assert (
                await http.get("/metrics", headers={**forwarded, "Authorization": "Bearer ee"})
            ).status_code == 403


async def test_the_process_holds_no_web_framework() -> None:
    program = (
        "import sys; import talas.entrypoints.chat; "
        "print([m for m in ('litestar', 'granian', 'numpy', 'av', 'PIL') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


async def test_a_thousand_handshakes_at_once(chat: ChatProcess) -> None:
    """None of them goes on, and who comes after them is answered."""
    allow_many_sockets()
    sockets = [
        socket
        for _ in range(10)
        for socket in await asyncio.gather(*(chat.open_raw() for _ in range(100)))
    ]
    for _, writer in sockets:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    async with httpx.AsyncClient(base_url=chat.http, trust_env=False) as http:
        assert (await http.get("/health")).status_code == 200
    for _, writer in sockets:
        writer.close()
