"""What a client of the history checker takes for the history, and what all of them were shown."""

from collections import Counter, defaultdict
from typing import Any

import msgspec

Place = tuple[str, Any]
"""A room by its name, or a conversation by its two people."""
Frame = dict[str, Any]

REMEMBERED = 500


class Report(msgspec.Struct):
    """What is not in ``COUNTS`` must be 0."""

    sent: int = 0
    attempts: int = 0
    acknowledged: int = 0
    changes: int = 0
    kept: int = 0
    shown: int = 0
    repeated_by_history: int = 0
    connections: int = 0
    resumed: int = 0
    not_recovered: int = 0
    kills: int = 0
    database_restarts: int = 0
    redis_restarts: int = 0
    cuts: int = 0
    settled_s: float = 0
    errors: Counter[str] = msgspec.field(default_factory=Counter)
    lost: int = 0
    duplicated: int = 0
    out_of_order: int = 0
    gaps: int = 0
    ghosts: int = 0
    diverged: int = 0
    unanswered: int = 0
    remarks: list[str] = []

    @property
    def broken(self) -> int:
        return (
            self.lost
            + self.duplicated
            + self.out_of_order
            + self.gaps
            + self.ghosts
            + self.diverged
            + self.unanswered
        )

    def remark(self, sentence: str) -> None:
        if len(self.remarks) < 20:
            self.remarks.append(sentence[:400])


class Said(msgspec.Struct):
    """A message as one client sees it now."""

    content: str
    deleted: bool
    reactions: Counter[str]
    seq: int


class Shown:
    """All that any client was shown, by place and ``seq``, and all that a message ever said."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.entries: dict[Place, dict[int, tuple[str, int, int | None]]] = defaultdict(dict)
        self.contents: dict[int, set[str]] = defaultdict(set)

    def add(self, place: Place, frame: Frame) -> None:
        data, kind = frame["data"], frame["type"]
        about = data["id"] if kind in ("message", "dm") else data.get("message_id")
        entry = ("message" if kind == "dm" else kind, data["from"], about)
        if self.entries[place].setdefault(data["seq"], entry) != entry:
            self._report.ghosts += 1
            self._report.remark(f"{place} {data['seq']} was shown as two things: {entry}")
        if "content" in data:
            self.contents[about].add(data["content"])


class View:
    """One place as one client sees it: event after event, over all its connections."""

    def __init__(self, place: Place, owner: str, report: Report, shown: Shown) -> None:
        self.place = place
        self.last = 0
        self.begin = 0
        """What came up to here was not shown event by event."""
        self.messages: dict[int, Said] = {}
        self._owner, self._report, self._shown = owner, report, shown
        self._waiting: list[Frame] | None = None
        self._told = 0

    def connected(self, *, waiting: bool) -> None:
        """A new connection; ``waiting``: for an answer that comes before what is live."""
        self._waiting, self._told = [] if waiting else None, 0

    def wait(self) -> None:
        """The rest has to be read from the history."""
        self._waiting = []

    def take(self, frame: Frame) -> None:
        """A frame with a ``seq`` of this place."""
        seq = frame["data"]["seq"]
        if self._waiting is not None:
            self._waiting.append(frame)
        elif seq <= self._told:
            # It was in the history before it was live.
            self._report.repeated_by_history += 1
        else:
            self._follow(frame)

    def load(self, data: dict[str, Any]) -> None:
        """A history takes the place of what was seen."""
        self.messages = {
            message["id"]: Said(
                content=message["content"],
                deleted=message.get("deleted", False),
                reactions=Counter({r["emoji"]: r["count"] for r in message.get("reactions", ())}),
                seq=message["seq"],
            )
            for message in data["messages"]
        }
        self.last = self.begin = data["seq"]
        self._go_live(data["seq"])

    def replay(self, frames: list[Frame], seq: int) -> None:
        """What a conversation's history brought, up to ``seq``."""
        for frame in sorted(frames, key=lambda frame: int(frame["data"]["seq"])):
            self._follow(frame)
        if self.last != seq:
            self._report.gaps += 1
            self._report.remark(f"{self._owner} {self.place}: replayed to {self.last}, not {seq}")
        self._go_live(seq)

    def _go_live(self, seq: int) -> None:
        waiting, self._waiting, self._told = self._waiting or [], None, seq
        for frame in waiting:
            self.take(frame)

    def _follow(self, frame: Frame) -> None:
        seq = frame["data"]["seq"]
        self._report.shown += 1
        if seq != self.last + 1:
            late = seq <= self.last
            if late:
                self._report.out_of_order += 1
            else:
                self._report.gaps += 1
            self._report.remark(
                f"{self._owner} {self.place}: {frame['type']} {seq} after {self.last}"
            )
            if late:
                return
        self.last = seq
        self._shown.add(self.place, frame)
        self._apply(frame["type"], frame["data"])

    def _apply(self, kind: str, data: dict[str, Any]) -> None:
        if kind in ("message", "dm"):
            deleted = data.get("deleted", False)
            said = Said(data["content"], deleted, Counter(), data["seq"])
            self.messages[data["id"]] = said
            if len(self.messages) > REMEMBERED:
                del self.messages[next(iter(self.messages))]
            return
        known = self.messages.get(data.get("message_id", 0))
        if known is None:
            return
        match kind:
            case "edit":
                known.content, known.deleted = data["content"], data.get("deleted", False)
            case "delete":
                # Its reactions go with it.
                known.content, known.deleted, known.reactions = "", True, Counter()
            case "react":
                known.reactions[data["emoji"]] += 1
            case "unreact":
                known.reactions[data["emoji"]] -= 1
