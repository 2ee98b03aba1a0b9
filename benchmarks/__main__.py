"""`make bench`, or `python -m benchmarks [PART ...]` for some parts of it."""

import argparse
import importlib
import sys

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure

PARTS = {
    "serve": "benchmarks.serve",
    "http": "benchmarks.http_api",
    "hot": "benchmarks.hot",
    "lists": "benchmarks.lists",
    "chat": "benchmarks.chat",
    "nodes": "benchmarks.chat_nodes",
    "stream": "benchmarks.stream",
    "listening": "benchmarks.listening",
    "pipeline": "benchmarks.pipeline",
    "search": "benchmarks.search",
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure Talas against its targets")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    wanted = parser.parse_args().parts or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; choose from {', '.join(PARTS)}")
    figures: list[Figure] = []
    progress = Console(stderr=True)
    for part in wanted:
        progress.print(f"measuring {part} ...", style="dim")
        for figure in importlib.import_module(PARTS[part]).measure():
            progress.print(f"  {figure.name}: {figure.measured}", style="dim")
            figures.append(figure)
    Console(width=None if sys.stdout.isatty() else 160).print(_table(figures))
    missed = [figure.name for figure in figures if figure.met is False]
    if missed:
        print(f"missed: {'; '.join(missed)}")
    return 0


def _table(figures: list[Figure]) -> Table:
    table = Table(title="Talas against its targets")
    for heading in ("figure", "target", "measured", "", "in numbers"):
        table.add_column(heading, overflow="fold")
    verdicts = {True: "met", False: "MISSED", None: ""}
    for figure in figures:
        table.add_row(
            figure.name, figure.target, figure.measured, verdicts[figure.met], figure.detail
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
