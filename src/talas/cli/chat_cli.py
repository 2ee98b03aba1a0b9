"""``talas chat-cli``: the chat in a terminal, or in a pipe."""

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Annotated, Any

import msgspec
import typer
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.patch_stdout import patch_stdout
from rich.console import Console
from rich.text import Text

from talas.cli.chat_lines import clean
from talas.cli.chat_talk import COMMANDS, Talk
from talas.client import Api, Chat, ChatError, Ended
from talas.core.settings import load_settings

_REGISTER = "/auth/register"
_ROOM = "general"
_LAST_WORDS_S = 5.0
_SHOWN_S = 0.05
# As shells say of what ended by SIGINT.
_INTERRUPTED = 130

app = typer.Typer()


class _Wanted(msgspec.Struct, frozen=True):
    url: str
    api: str
    room: str
    to: str | None
    send: str | None
    stay: bool
    verbatim: bool


class _Account(msgspec.Struct, frozen=True):
    """``token``, or what one signs in with; ``username`` where the account is to be made."""

    token: str | None = None
    email: str = ""
    password: str = ""
    username: str | None = None


@app.command("chat-cli")
def chat_cli(
    url: Annotated[
        str | None,
        typer.Option(help="The chat, ws:// or wss://; this machine's by default."),
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(help="The HTTP server; this machine's by default."),
    ] = None,
    email: Annotated[str | None, typer.Option(help="Whom to sign in; asked for.")] = None,
    password_stdin: Annotated[
        bool,
        typer.Option("--password-stdin", help="The standard input's first line is the password."),
    ] = False,
    token: Annotated[
        str | None,
        typer.Option(help="An access token instead; other accounts of this machine can see it."),
    ] = None,
    register: Annotated[bool, typer.Option("--register", help="Create the account first.")] = False,
    username: Annotated[str | None, typer.Option(help="With --register; asked for.")] = None,
    room: Annotated[str | None, typer.Option(help="Where to begin; general by default.")] = None,
    to: Annotated[str | None, typer.Option(help="Begin with this person instead.")] = None,
    send: Annotated[
        str | None,
        typer.Option(help="Say only this, wait until it is kept, print its id, and end."),
    ] = None,
    stay: Annotated[
        bool, typer.Option("--stay", help="In a pipe: go on listening when the input has ended.")
    ] = False,
    verbatim: Annotated[
        bool, typer.Option("--verbatim", help="In a pipe: lines that begin with / are said too.")
    ] = False,
) -> None:
    """Talk in the chat: type to say something, /help for the commands.

    Without a terminal each line of the standard input is a message or a command, until it ends.
    The exit code is 0 when all that was said has been kept, 1 when something could not be said or
    done, 2 when the options do not fit.
    """
    if token is not None and (email is not None or register or password_stdin):
        raise typer.BadParameter("give either --token or an account to sign in, not both")
    if room is not None and to is not None:
        raise typer.BadParameter("give either --room or --to, not both")
    if send is not None and (stay or verbatim):
        raise typer.BadParameter("--send says one thing and ends; --stay and --verbatim do not fit")
    url, api = _addresses(url, api)
    try:
        Api(api)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--api") from None
    wanted = _Wanted(url, api, room or _ROOM, to, send, stay, verbatim)
    account = _Account(token=token)
    if token is None:
        account = _ask_who(email, username, register=register, from_stdin=password_stdin)
    try:
        failures = asyncio.run(_run(wanted, account))
    except KeyboardInterrupt:
        raise typer.Exit(_INTERRUPTED) from None
    except ChatError as error:
        typer.echo(f"talas: {clean(str(error))}", err=True)
        raise typer.Exit(1) from None
    raise typer.Exit(1 if failures else 0)


def _addresses(url: str | None, api: str | None) -> tuple[str, str]:
    if url is not None and api is not None:
        return url, api
    settings = load_settings()
    chat, http = settings.chat, settings.http
    return (
        url or f"ws://{_reachable(chat.host)}:{chat.port}/",
        api or f"http://{_reachable(http.host)}:{http.port}",
    )


def _reachable(host: str) -> str:
    """Who listens on every address is reached on this machine's own."""
    if host in ("", "0.0.0.0"):  # noqa: S104
        return "127.0.0.1"
    if host == "::":
        return "[::1]"
    return f"[{host}]" if ":" in host else host


def _ask_who(
    email: str | None, username: str | None, *, register: bool, from_stdin: bool
) -> _Account:
    can_ask = sys.stdin.isatty() and not from_stdin
    if not can_ask and (email is None or (register and username is None)):
        raise typer.BadParameter(
            "nobody can be asked here: give --email and --password-stdin"
            + (", and --username" if register else "")
            + ", or --token"
        )
    if register and username is None:
        username = typer.prompt("Username")
    if email is None:
        email = typer.prompt("E-mail")
    if from_stdin:
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    elif can_ask:
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=register)
    else:
        raise typer.BadParameter("nobody can be asked here: give --password-stdin or --token")
    return _Account(email=email, password=password, username=username if register else None)


async def _run(wanted: _Wanted, account: _Account) -> int:
    """How much of what was typed could not be done."""
    api = Api(wanted.api, account.token or "")
    token: Any = account.token
    if account.token is None:
        if account.username is not None:
            named = {"username": account.username, "email": account.email}
            await api.post(_REGISTER, {**named, "password": account.password})
        signed_in = await Chat.login(wanted.api, account.email, account.password)
        api.token, token = signed_in.access_token, _following(api, signed_in.token)
    async with Chat(wanted.url, token=token, listen=wanted.send is None) as chat:
        if wanted.send is not None:
            return await _send(chat, api, wanted, wanted.send)
        if sys.stdin.isatty() and sys.stdout.isatty():
            return await _in_a_terminal(chat, api, wanted)
        return await _in_a_pipe(chat, api, wanted)


def _following(
    api: Api, source: Callable[[], Coroutine[Any, Any, str]]
) -> Callable[[], Coroutine[Any, Any, str]]:
    """The API is asked with the chat's newest token."""

    async def fresh() -> str:
        api.token = await source()
        return api.token

    return fresh


async def _send(chat: Chat, api: Api, wanted: _Wanted, text: str) -> int:
    if wanted.to is not None:
        user_id = await Talk(chat, api, _print, quiet=True).find_user(wanted.to)
        ack = await chat.dm(user_id, text)
    else:
        await chat.join(wanted.room)
        ack = await chat.send(wanted.room, text)
    typer.echo(ack.message_id)
    return 0


def _print(line: Text) -> None:
    typer.echo(line.plain)


async def _begin(talk: Talk, wanted: _Wanted) -> None:
    if wanted.to is not None:
        await talk.direct(wanted.to)
    else:
        await talk.join(wanted.room)


async def _in_a_pipe(chat: Chat, api: Api, wanted: _Wanted) -> int:
    talk = Talk(chat, api, _print_or_end, quiet=True)
    await _begin(talk, wanted)
    async with (
        _beside(talk.listen()) as listening,
        _beside(_read_all(talk, verbatim=wanted.verbatim)) as reading,
    ):
        await asyncio.wait([listening, reading], return_when=asyncio.FIRST_COMPLETED)
        if listening.done() or (wanted.stay and not talk.over):
            await listening
        # What was said last has come back, but may not be shown yet.
        await asyncio.sleep(_SHOWN_S)
    return talk.failures


async def _read_all(talk: Talk, *, verbatim: bool) -> None:
    async for line in _lines_of_stdin():
        await (talk.verbatim(line) if verbatim else talk.typed(line))
        if talk.over:
            return


def _print_or_end(line: Text) -> None:
    """Whoever reads may stop reading, like ``head``."""
    try:
        sys.stdout.write(line.plain + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        # Else the interpreter complains when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise Ended("Nobody reads the output any more") from None


async def _lines_of_stdin() -> AsyncIterator[str]:
    """Read by a thread that nobody waits for: it may be stuck in a read when all is over."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str] = asyncio.Queue(100)

    def read() -> None:
        with contextlib.suppress(RuntimeError, ValueError):
            for line in iter(sys.stdin.readline, ""):
                asyncio.run_coroutine_threadsafe(lines.put(line), loop).result()
            asyncio.run_coroutine_threadsafe(lines.put(""), loop).result()

    threading.Thread(target=read, daemon=True).start()
    while line := await lines.get():
        yield line


async def _in_a_terminal(chat: Chat, api: Api, wanted: _Wanted) -> int:
    with patch_stdout(raw=True):
        console = Console(file=sys.stdout, force_terminal=True, highlight=False, soft_wrap=True)
        talk = Talk(chat, api, console.print, quiet=False)
        await _begin(talk, wanted)
        typed: asyncio.Queue[str] = asyncio.Queue(100)
        async with (
            _beside(talk.listen()) as listening,
            _beside(talk.keep_read()),
            _beside(_do_what_is_typed(talk, typed)),
        ):
            prompting = asyncio.create_task(_prompt(chat, talk, typed))
            await asyncio.wait([prompting, listening], return_when=asyncio.FIRST_COMPLETED)
            if not prompting.done():
                # The chat is over; whatever was being typed is lost.
                prompting.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await prompting
                await listening
            await prompting
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(typed.join(), _LAST_WORDS_S)
    return 0


async def _prompt(chat: Chat, talk: Talk, typed: asyncio.Queue[str]) -> None:
    words = WordCompleter([f"/{name}" for name in COMMANDS], sentence=True)
    session: PromptSession[str] = PromptSession(erase_when_done=True, completer=words)
    session.default_buffer.on_text_insert += lambda buffer: _say_that_one_types(
        chat, talk, buffer.text
    )
    while not talk.over:
        try:
            line = await session.prompt_async(lambda: f"{talk.title}> ")
        except (EOFError, KeyboardInterrupt):
            return
        if line.strip().lower() == "/quit":
            return
        await typed.put(line)


def _say_that_one_types(chat: Chat, talk: Talk, text: str) -> None:
    if talk.place and not text.startswith("/"):
        task = asyncio.ensure_future(chat.typing(talk.place))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _do_what_is_typed(talk: Talk, typed: asyncio.Queue[str]) -> None:
    """One after the other, so that what is said keeps its order, while one goes on typing."""
    while True:
        line = await typed.get()
        try:
            await talk.typed(line)
        finally:
            typed.task_done()


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
