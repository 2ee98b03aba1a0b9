"""The history as PostgreSQL has it, against which the history checker holds what was shown."""

import json
from collections import Counter, defaultdict
from typing import Any

import asyncpg
import msgspec
from tests.builders.chat import ChatProcess, connected
from tests.domains.chat.history_client import CheckedClient
from tests.domains.chat.history_views import Place, Report, Shown, View

_LOG = """
SELECT said.room_id, said.conversation_id, said.seq, 'message' AS kind, said.from_user, said.id
FROM messages AS said
UNION ALL
SELECT room_id, conversation_id, seq, kind, actor_id, message_id
FROM chat_events
"""
_PLACES = """
SELECT id, NULL, name, NULL, NULL, seq FROM rooms WHERE name LIKE 'checked %'
UNION ALL
SELECT NULL, id, NULL, user_low, user_high, seq FROM conversations
"""


class Message(msgspec.Struct):
    content: str
    deleted: bool
    client_id: str
    seq: int
    reactions: Counter[str]
    contents: set[str]


class Truth:
    def __init__(self) -> None:
        self.logs: dict[Place, dict[int, tuple[str, int, int | None]]] = defaultdict(dict)
        self.messages: dict[int, Message] = {}
        self.all_tops: dict[Place, int] = {}
        self.doubles = 0

    @classmethod
    async def tops(cls, conn: asyncpg.Connection) -> dict[Place, int]:
        return {_place(row): row[5] for row in await conn.fetch(_PLACES)}

    @classmethod
    async def read(cls, conn: asyncpg.Connection) -> "Truth":
        truth = cls()
        truth.all_tops = await cls.tops(conn)
        names = {(row[0], row[1]): _place(row) for row in await conn.fetch(_PLACES)}
        for room_id, conversation_id, seq, *entry in await conn.fetch(_LOG):
            place = names.get((room_id, conversation_id))
            if place is not None:
                truth.doubles += seq in truth.logs[place]
                truth.logs[place][seq] = (entry[0], entry[1], entry[2])
        rows = await conn.fetch(
            "SELECT id, content, deleted_at IS NOT NULL, client_id::text, seq FROM messages"
        )
        for id_, content, deleted, client_id, seq in rows:
            contents = {content, ""} if deleted else {content}
            truth.messages[id_] = Message(content, deleted, client_id, seq, Counter(), contents)
        for id_, content in await conn.fetch("SELECT message_id, content FROM message_edits"):
            truth.messages[id_].contents.add(content)
        for id_, emoji in await conn.fetch("SELECT message_id, emoji FROM message_reactions"):
            truth.messages[id_].reactions[emoji] += 1
        return truth

    def check(self, clients: list[CheckedClient], shown: Shown, report: Report) -> None:
        report.kept = len(self.messages)
        self._check_numbers(report)
        self._check_shown(shown, report)
        ids = Counter(message.client_id for message in self.messages.values())
        report.duplicated += sum(count - 1 for count in ids.values())
        kept = {m.client_id: (id_, m.seq) for id_, m in self.messages.items()}
        changed = {
            (entry[0], entry[2], seq) for log in self.logs.values() for seq, entry in log.items()
        }
        for client in clients:
            report.acknowledged += len(client.acks)
            for key, ack in client.acks.items():
                if kept.get(key) != ack:
                    report.lost += 1
                    report.remark(f"{key} was acknowledged as {ack} and is {kept.get(key)}")
            for change in client.changes:
                if change not in changed:
                    report.lost += 1
                    report.remark(f"the change {change} was acknowledged and is not there")
            for view in client.views.values():
                self._check_view(client, view, report)

    def _check_numbers(self, report: Report) -> None:
        report.gaps += self.doubles
        for place, top in self.all_tops.items():
            missing = set(range(1, top + 1)) ^ self.logs[place].keys()
            if missing:
                report.gaps += len(missing)
                report.remark(f"{place}: of 1 to {top} are missing, or too many {sorted(missing)}")

    def _check_shown(self, shown: Shown, report: Report) -> None:
        for place, entries in shown.entries.items():
            for seq, entry in entries.items():
                if self.logs[place].get(seq) != entry:
                    report.ghosts += 1
                    report.remark(f"{place} {seq}: shown {entry}, is {self.logs[place].get(seq)}")
        for id_, contents in shown.contents.items():
            message = self.messages.get(id_)
            # What a deleted message said is gone, also from here.
            if message is None or not (message.deleted or contents <= message.contents):
                report.ghosts += 1
                report.remark(f"message {id_} was shown to say {contents}, it said {message}")

    def _check_view(self, client: CheckedClient, view: View, report: Report) -> None:
        wrong = []
        if view.last != self.all_tops.get(view.place, 0):
            wrong.append(f"it ends at {view.last}, not {self.all_tops.get(view.place, 0)}")
        for id_, said in view.messages.items():
            truth = self.messages.get(id_)
            if truth is None or (
                said.content != truth.content
                or said.deleted != truth.deleted
                or +said.reactions != truth.reactions
            ):
                wrong.append(f"message {id_} ({said}) is {truth}")
        if wrong:
            report.diverged += 1
            report.remark(f"{client.person.username} {view.place}: {'; '.join(wrong[:3])}")

    async def check_paging(
        self, node: ChatProcess, client: CheckedClient, rooms: list[str], report: Report
    ) -> None:
        """Who pages back to the first message of a room has read all of it."""
        async with connected(node, client.person, max_size=None, max_queue=None) as reader:
            for room in rooms:
                read: list[dict[str, Any]] = []
                while True:
                    before = {"before": read[0]["id"]} if read else {}
                    request = {"type": "room_history", "room": room, "limit": 200, **before}
                    await reader.socket.send(json.dumps(request))
                    messages = (await reader.receive_kind("room_history"))["messages"]
                    if not messages:
                        break
                    read = messages + read
                log = self.logs["room", room]
                expected = [log[seq][2] for seq in sorted(log) if log[seq][0] == "message"]
                if [message["id"] for message in read] != expected:
                    report.diverged += 1
                    report.remark(f"paging through {room} does not find what is there")


def _place(row: asyncpg.Record) -> Place:
    return ("room", row[2]) if row[2] is not None else ("dm", (row[3], row[4]))
