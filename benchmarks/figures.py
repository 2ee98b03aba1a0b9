"""One figure of the table: what was wanted, what was measured, and against what."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence


@dataclasses.dataclass(frozen=True)
class Figure:
    """``met`` is None where there is no target. ``detail`` holds absolute numbers."""

    name: str
    target: str
    measured: str
    met: bool | None
    detail: str = ""


def ratio_figure(
    name: str, *, ours: Sequence[float], theirs: Sequence[float], least: float, unit: str, peer: str
) -> Figure:
    """The medians' ratio of runs that alternated; more is better."""
    mine, bare = statistics.median(ours), statistics.median(theirs)
    ratio = mine / bare
    return Figure(
        name,
        f">= {least:g} x {peer}",
        f"{ratio:.2f} x",
        ratio >= least,
        f"{mine:,.0f} {unit} against {bare:,.0f} {unit}",
    )


def limit_figure(name: str, value: float, *, most: float, unit: str, detail: str = "") -> Figure:
    """Less is better."""
    return Figure(name, f"<= {most:g} {unit}", f"{value:.3g} {unit}", value <= most, detail)


def rate_figure(name: str, value: float, *, least: float, unit: str, detail: str = "") -> Figure:
    """More is better."""
    return Figure(name, f">= {least:,.0f} {unit}", f"{value:,.0f} {unit}", value >= least, detail)


def alternate(
    ours: Callable[[], float], theirs: Callable[[], float], *, rounds: int
) -> tuple[list[float], list[float]]:
    """Runs both in turn, so that a noisy machine is noisy for both."""
    mine, bare = [], []
    for _ in range(rounds):
        bare.append(theirs())
        mine.append(ours())
    return mine, bare
