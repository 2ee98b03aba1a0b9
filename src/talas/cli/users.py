"""``talas users``: accounts from the command line, the first super_admin among them."""

import asyncio
import getpass
import sys
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from talas.cli.connection import in_transaction
from talas.core.database import Connection
from talas.core.errors import InvalidData
from talas.core.permissions import Role
from talas.core.text import printable
from talas.domains.admin import service
from talas.domains.admin.audit import Administrator
from talas.domains.admin.schemas import ACTIVE, SUSPENDED
from talas.domains.auth import service as auth
from talas.domains.auth.schemas import RegisterRequest

Name = Annotated[str, typer.Argument(help="Username or e-mail.", show_default=False)]

app = typer.Typer(no_args_is_help=True, help="Create, list, promote and suspend accounts.")


@app.command()
def create(
    username: Annotated[str, typer.Option(help="3 to 50 of A-Z a-z 0-9 . _ -")],
    email: Annotated[str, typer.Option()],
    role: Annotated[Role, typer.Option(help="What the account may do.")] = Role.USER,
    password: Annotated[
        str | None,
        typer.Option(help="Other accounts of this machine can see it; asked for when left out."),
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from the standard input.")
    ] = False,
) -> None:
    """Create an account. The password is asked for twice, unless an option says it."""
    request = RegisterRequest(username, email, _read_password(password, password_stdin))
    try:
        account = asyncio.run(auth.prepare_account(request))
    except InvalidData as error:
        raise InvalidData("; ".join(detail.message for detail in error.details or ())) from None

    async def act(conn: Connection) -> int:
        return await service.create_account(conn, _myself(), account, role=role)

    user_id = in_transaction(act)
    typer.echo(f"created {account.username} ({role}, id {user_id})")


@app.command("list")
def list_accounts(
    as_json: Annotated[bool, typer.Option("--json", help="As a JSON array.")] = False,
) -> None:
    """List all accounts."""
    accounts = in_transaction(service.list_accounts)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(accounts)))
        return
    rows = [
        (
            str(account.id),
            account.username,
            printable(account.email),
            account.role,
            account.status,
            f"{account.created_at:%Y-%m-%d %H:%M:%S}",
        )
        for account in accounts
    ]
    if not sys.stdout.isatty():
        for row in rows:
            typer.echo("\t".join(row))
        return
    table = Table("id", "username", "e-mail", "role", "status", "created (UTC)")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


@app.command()
def set_role(name: Name, role: Annotated[Role, typer.Argument(show_default=False)]) -> None:
    """Give an account a role; it takes effect on the account's next request."""
    username, changed = _change(name, role=role)
    typer.echo(f"{username} is {'now' if changed else 'already'} {role}")


@app.command()
def suspend(name: Name) -> None:
    """Suspend an account: its sessions end at once, and it cannot sign in."""
    username, changed = _change(name, status=SUSPENDED)
    typer.echo(f"{username} is {'now' if changed else 'already'} suspended")


@app.command()
def unsuspend(name: Name) -> None:
    """Let a suspended account sign in again."""
    username, changed = _change(name, status=ACTIVE)
    typer.echo(f"{username} is {'now' if changed else 'already'} active")


def _change(name: str, **changes: Any) -> tuple[str, bool]:
    """The account's username, and whether anything changed."""

    async def act(conn: Connection) -> tuple[str, bool]:
        before = await service.find_account(conn, name)
        after = await service.change_account(conn, _myself(), before.id, **changes)
        return after.username, after != before

    return in_transaction(act)


def _myself() -> Administrator:
    """Who has the command line has all rights; the audit log names the system account."""
    try:
        account = getpass.getuser()
    except (KeyError, OSError):
        account = "somebody"
    name = printable(f"{account} (command line)")
    return msgspec.structs.replace(service.COMMAND_LINE, name=name)


def _read_password(given: str | None, from_stdin: bool) -> str:
    if given is not None and from_stdin:
        raise typer.BadParameter("give either --password or --password-stdin, not both")
    if given is not None:
        return given
    if from_stdin:
        return sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    if not sys.stdin.isatty():
        raise typer.BadParameter("nobody can be asked here: give --password-stdin or --password")
    prompted: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return prompted
