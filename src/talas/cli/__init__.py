"""The command `talas`. A command's module is imported when the command is used, so that none pays
for another's imports."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

# In the order of `talas --help`. A module's typer app either has a command of that name, or is
# itself the group of that name.
_MODULES = {
    "serve": "talas.cli.serve",
    "api": "talas.cli.roles",
    "chat": "talas.cli.roles",
    "chat-cli": "talas.cli.chat_cli",
    "stream": "talas.cli.roles",
    "worker": "talas.cli.roles",
    "migrate": "talas.cli.db",
    "users": "talas.cli.users",
    "library": "talas.cli.library",
    "files": "talas.cli.files",
    "cache": "talas.cli.cache",
    "search": "talas.cli.search",
    "demo": "talas.cli.demo",
}


class _Commands(TyperGroup):
    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # Stand-ins: whoever wants more than a name asks get_command.
        self.commands = {name: TyperCommand(name) for name in _MODULES}

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002, click's signature
        if cmd_name not in self.commands:
            return None
        group = get_group(import_module(_MODULES[cmd_name]).app)
        group.name = cmd_name
        return group.commands.get(cmd_name, group)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            sentence, exit_code = _explain(error)
            if not sentence:
                raise
            typer.echo(f"talas: {sentence}", err=True)
            raise typer.Exit(exit_code) from None


def _explain(error: Exception) -> tuple[str, int]:
    """The sentence and the exit code of a failure that was foreseen, else no sentence."""
    # Imported here because settings are the dearest import of all, and `--version` needs none.
    from talas.core.embedded_postgres import EmbeddedPostgresError
    from talas.core.errors import TalasError
    from talas.core.migrations import MigrationError
    from talas.core.settings import SettingsError
    from talas.entrypoints.preflight import ServeError

    if isinstance(error, SettingsError):
        return str(error), 2
    if isinstance(error, (ServeError, EmbeddedPostgresError, MigrationError, TalasError)):
        return str(error), 1
    return "", 1


app = typer.Typer(
    name="talas",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A self-hosted home for people who make sound.",
    epilog="Settings come from the environment and from a .env file in the working folder.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"talas {version('talas')}")
        raise typer.Exit


@app.callback()
def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass
