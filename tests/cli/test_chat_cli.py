"""``talas chat-cli``, in a pipe and in a terminal, against a real server."""

import asyncio
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest
from rich.text import Text
from tests.api_fixtures import api, module_database_url
from tests.builders.chat import ChatProcess
from tests.builders.users import PASSWORD, Account, create_user
from tests.domains.chat.conftest import make_chat_settings
from tests.servers import ApiProcess, environment_of

from talas.cli.chat_lines import Lines, clean
from talas.client.events import read_event

__all__ = ["api", "module_database_url"]

_ESCAPES = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\r")


@pytest.fixture(scope="module")
def chat(api: ApiProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChatProcess]:
    settings = make_chat_settings(api.database_url, tmp_path_factory.mktemp("chat"))
    process = ChatProcess(settings)
    asyncio.run(process.start())
    yield process
    asyncio.run(process.stop())


class Cli:
    def __init__(self, api: ApiProcess, chat: ChatProcess, folder: Path) -> None:
        self.api, self._folder = api, folder
        self.addresses = ("--url", chat.url, "--api", api.url)
        self.environment = environment_of(
            api.database_url,
            folder / "data",
            COLUMNS="100",
            TERM="xterm-256color",
            PROMPT_TOOLKIT_NO_CPR="1",
        )

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "talas", "chat-cli", *self.addresses, *words]

    def run(self, *words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            input=typed,
            env=self.environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def said(self, account: Account, room: str = "general") -> list[str]:
        answer = self.api.client.get(f"/chat/rooms/{room}/messages", token=account.token)
        return [message["content"] for message in answer.json()["data"]]


@pytest.fixture
def cli(api: ApiProcess, chat: ChatProcess, tmp_path: Path) -> Cli:
    return Cli(api, chat, tmp_path)


class Terminal:
    """The command in a terminal of its own. ``shown`` is what it has written, without escapes."""

    def __init__(self, cli: Cli, *words: str) -> None:
        self._controller, terminal = pty.openpty()
        self.process = subprocess.Popen(
            cli.command(*words),
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=cli.environment,
            start_new_session=True,
        )
        os.close(terminal)
        self.raw = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self._controller)

    @property
    def shown(self) -> str:
        return _ESCAPES.sub(b"", self.raw).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self._controller, text.encode())

    def until(self, text: str, *, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while text not in self.shown:
            assert time.monotonic() < deadline, f"no {text!r} in {self.shown!r}"
            self._read()

    def ended(self) -> int:
        deadline = time.monotonic() + 60
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.shown
            self._read()
        return self.process.wait()

    def _read(self) -> None:
        if select.select([self._controller], [], [], 0.1)[0]:
            try:
                self.raw += os.read(self._controller, 4096)
            except OSError:
                time.sleep(0.05)


def test_one_message_from_a_script(cli: Cli) -> None:
    user = create_user(cli.api)
    done = cli.run("--token", user.token, "--room", "general", "--send", "from a script")
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout) > 0
    assert cli.said(user)[-1] == "from a script"


def test_what_cannot_be_said_is_a_failure(cli: Cli) -> None:
    user = create_user(cli.api)
    done = cli.run("--token", user.token, "--room", "no such room", "--send", "hello")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "talas: Room not found\n"
    done = cli.run("--token", "nonsense", "--send", "hello")
    assert (done.returncode, done.stderr) == (1, "talas: Invalid token\n")
    done = cli.run("--token", user.token, "--to", "nobody-at-all", "--send", "hello")
    assert (done.returncode, done.stderr) == (1, "talas: Nobody is called nobody-at-all\n")


@pytest.mark.parametrize(
    "words",
    [
        ("--send", "x"),
        ("--token", "x", "--email", "a@b.c"),
        ("--api", "localhost"),
        ("--token", "x", "--room", "a", "--to", "b"),
        ("--token", "x", "--send", "a", "--stay"),
    ],
)
def test_options_that_do_not_fit(cli: Cli, words: tuple[str, ...]) -> None:
    assert cli.run(*words).returncode == 2


def test_with_a_password_from_the_standard_input(cli: Cli) -> None:
    user = create_user(cli.api)
    signed = ("--email", user.email, "--password-stdin")
    done = cli.run(*signed, "--send", "signed in", typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    done = cli.run(*signed, "--send", "signed in", typed="wrong\n")
    assert (done.returncode, done.stderr) == (1, "talas: Invalid credentials\n")


def test_an_account_made_on_the_fly(cli: Cli) -> None:
    names = ("--username", "newcomer", "--email", "newcomer@example.com")
    done = cli.run(
        "--register", *names, "--password-stdin", "--send", "I am new", typed=f"{PASSWORD}\n"
    )
    assert done.returncode == 0, done.stderr
    assert cli.said(create_user(cli.api))[-1] == "I am new"


def test_lines_of_a_pipe(cli: Cli) -> None:
    user = create_user(cli.api)
    done = cli.run("--token", user.token, typed="one\n/react 👍\ntwo\n/edit two, changed\n//path\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert cli.said(user)[-3:] == ["one", "two, changed", "/path"]
    assert f"{user.username}: one\n" in done.stdout
    assert "\x1b" not in done.stdout
    done = cli.run("--token", user.token, typed="/nonsense\nfine\n")
    assert done.returncode == 1
    assert "/nonsense is no command" in done.stdout
    assert cli.said(user)[-1] == "fine"


def test_lines_that_others_wrote_are_no_commands(cli: Cli) -> None:
    user = create_user(cli.api)
    done = cli.run("--token", user.token, "--verbatim", typed="/quit\n/delete\n")
    assert done.returncode == 0, done.stderr
    assert cli.said(user)[-2:] == ["/quit", "/delete"]


def test_a_message_to_one_person(cli: Cli) -> None:
    ann, bob = create_user(cli.api), create_user(cli.api)
    done = cli.run("--token", ann.token, "--to", bob.username.upper(), "--send", "psst")
    assert done.returncode == 0, done.stderr
    answer = cli.api.client.get(f"/chat/dm/{ann.id}", token=bob.token)
    assert [message["content"] for message in answer.json()["data"]] == ["psst"]
    done = cli.run("--token", bob.token, typed=f"/dm {ann.username} yes?\n")
    assert f"{bob.username} → {ann.username}: yes?" in done.stdout


def test_who_stops_reading_ends_it(cli: Cli) -> None:
    user = create_user(cli.api)
    process = subprocess.Popen(
        cli.command("--token", user.token, "--stay"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=cli.environment,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("first\n")
    process.stdin.flush()
    assert "first" in process.stdout.readline()
    process.stdout.close()
    process.stdin.write("second\n")
    process.stdin.flush()
    assert process.wait(60) == 1
    assert process.stderr is not None
    assert process.stderr.read() == "talas: Nobody reads the output any more\n"
    process.stdin.close()
    process.stderr.close()


def test_in_a_terminal(cli: Cli) -> None:
    ann, bob = create_user(cli.api), create_user(cli.api)
    with Terminal(cli, "--token", ann.token) as terminal:
        terminal.until("general>")
        terminal.type("hello ev")
        hostile = "\u202eevil [red]markup[/] @" + ann.username
        answer = cli.api.client.post(
            "/chat/rooms/general/messages", json={"content": hostile}, token=bob.token
        )
        if answer.status_code == 403:
            cli.run("--token", bob.token, "--send", hostile)
        terminal.until("[red]markup[/]")
        assert "\\u202eevil" in terminal.shown
        terminal.type("erybody\r")
        terminal.until(f"{ann.username}: hello everybody")
        assert cli.said(ann)[-1] == "hello everybody"
        terminal.type("/who\r")
        terminal.until(f"in general: {ann.username}")
        terminal.type("/rooms\r")
        terminal.until("* general")
        terminal.type("/reply sure\r")
        terminal.until("sure")
        terminal.type("/dm\r")
        terminal.until("usage: /dm NAME [TEXT]")
        terminal.type("/help\r")
        terminal.until("/quit")
        terminal.type("/quit\r")
        assert terminal.ended() == 0


def test_the_end_of_the_session_ends_the_terminal(cli: Cli) -> None:
    user = create_user(cli.api)
    with Terminal(cli, "--token", user.token) as terminal:
        terminal.until("general>")
        cli.api.client.post("/auth/logout", token=user.token)
        assert terminal.ended() == 1
        terminal.until("The session has ended")


def test_ctrl_d_ends_it(cli: Cli) -> None:
    with Terminal(cli, "--token", create_user(cli.api).token) as terminal:
        terminal.until("general>")
        terminal.type("\x04")
        assert terminal.ended() == 0


def test_what_others_write_is_text_and_nothing_else() -> None:
    lines = Lines(1, "ann", {})
    data = {
        "room": "general",
        "from": 2,
        "username": "bob",
        "content": "a\x1b[31mred\x07 \u202egnp\n12:30 #9 ann: forged\u2028x [bold]b[/] 👨\u200d👩",
        "timestamp": "2026-01-01T12:00:00Z",
        "id": 5,
        "seq": 5,
    }
    line = lines.of(read_event("message", data, me=1), here=True)
    assert isinstance(line, Text)
    first, second = line.plain.split("\n")
    assert first.endswith("bob: a\\x1b[31mred\\x07 \\u202egnp")
    assert second == "      │ 12:30 #9 ann: forged\\u2028x [bold]b[/] 👨\u200d👩"
    assert clean("\ud800 \r\n\t") == "\\ud800 \\r  "
