"""What happens in a chat as lines of a terminal. What others wrote is text here and nothing else:
neither a control sequence, nor rich's markup, nor a line that looks like one of somebody else."""

import zlib
from collections.abc import Mapping

from rich.text import Text

from talas import client
from talas.client import Direct, Event, Message

# Joins letters (Persian, Indic) and parts of emoji; all other invisible characters are spelt out.
_JOINERS = "\u200c\u200d"
_COLOURS = (
    *("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green"),
    *("bright_yellow", "bright_magenta", "bright_blue"),
)
_MINE = "bold white"
_ACTIONS = {
    "joined": "joined",
    "added": "was added",
    "left": "left",
    "removed": "was removed",
    "unmuted": "may speak again",
}


def clean(text: str) -> str:
    """On one line, and without anything that a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in _JOINERS else _spelt(c) for c in text)


def _spelt(character: str) -> str:
    if character in "\t\n":
        return " "
    return character.encode("unicode_escape", "backslashreplace").decode()


class Lines:
    """``names`` of people by id; ``me`` is oneself."""

    def __init__(self, me: int, my_name: str, names: Mapping[int, str]) -> None:
        self._me, self._my_name, self._names = me, my_name, names

    def of(self, event: Event, *, here: bool) -> Text | None:
        """None for what is not worth a line. ``here``: it happens where one is looking."""
        match event:
            case Message() | Direct():
                return self.said(event, here=here)
            case client.Edited():
                shown = clean(event.content) if event.content else "a message from before"
                return self._changed(event, f"edited #{event.message_id}: {shown}", here=here)
            case client.Deleted():
                return self._changed(event, f"deleted #{event.message_id}", here=here)
            case client.Reacted() if event.emoji:
                verb = "reacted" if event.added else "took back"
                what = f"{verb} {clean(event.emoji)} on #{event.message_id}"
                return self._changed(event, what, here=here)
            case client.Pinned():
                verb = "pinned" if event.pinned else "unpinned"
                return self._changed(event, f"{verb} #{event.message_id}", here=here)
            case client.MemberChanged():
                return self._note(_place(event.room, here) + _member_sentence(event))
            case client.RoomChanged():
                return self._note(_place(event.room, here) + f"the room was {clean(event.action)}")
            case client.Typing():
                return self._note(_place(event.room, here) + f"{clean(event.username)} is typing …")
            case _:
                return _of_the_connection(event)

    def said(self, message: Message | Direct, *, here: bool) -> Text:
        line = Text(f"{message.timestamp.astimezone():%H:%M} ", style="dim")
        line.append(f"#{message.id} ", style="dim")
        if isinstance(message, Message):
            line.append(_place(message.room, here), style="dim")
            line.append(clean(message.username), style=self._style(message.from_user))
        else:
            line.append(clean(message.username), style=self._style(message.from_user))
            line.append(f" → {self._recipient(message)}", style="dim")
        line.append(": ")
        if message.reply_to is not None:
            line.append(f"(to #{message.reply_to}) ", style="dim")
        line.append(self._content(message))
        for attachment in message.attachments:
            name = attachment.get("name") or attachment.get("title") or attachment.get("id")
            line.append(f" [{clean(str(name))}]", style="underline")
        if message.edited_at is not None:
            line.append(" (edited)", style="dim")
        for reaction in message.reactions:
            line.append(f" {clean(reaction.emoji)}{reaction.count}", style="dim")
        return line

    def _content(self, message: Message | Direct) -> Text:
        if message.deleted:
            return Text("deleted", style="dim italic")
        # What follows on lines of their own is set off, so that it cannot pass for another message.
        content = Text("\n      │ ".join(clean(part) for part in message.content.split("\n")))
        for mention in (f"@{self._my_name}",):
            content.highlight_words([mention], style="bold reverse", case_sensitive=False)
        if self._me in message.mentions:
            content.stylize("bold")
        return content

    def _recipient(self, message: Direct) -> str:
        if message.from_user != self._me:
            return "you"
        return clean(self._names.get(message.peer, f"user {message.peer}"))

    def _style(self, user_id: int) -> str:
        if user_id == self._me:
            return _MINE
        return _COLOURS[zlib.crc32(str(user_id).encode()) % len(_COLOURS)]

    def _changed(
        self,
        event: client.Edited | client.Deleted | client.Reacted | client.Pinned,
        what: str,
        *,
        here: bool,
    ) -> Text:
        return self._note(f"{_place(event.room, here)}{clean(event.username)} {what}")

    def _note(self, text: str) -> Text:
        return note(text)


def note(text: str) -> Text:
    return Text(f"      · {clean(text)}", style="dim")


def problem(text: str) -> Text:
    return Text(f"      ! {clean(text)}", style="red")


def _place(room: str | None, here: bool) -> str:
    return f"[{clean(room)}] " if room is not None and not here else ""


def _member_sentence(event: client.MemberChanged) -> str:
    name = clean(event.name)
    if event.action == "role":
        return f"{name} is now {clean(event.role or 'member')}"
    if event.action == "muted":
        until = f" until {event.until.astimezone():%Y-%m-%d %H:%M}" if event.until else ""
        return f"{name} is muted{until}"
    return f"{name} {_ACTIONS.get(event.action, clean(event.action))}"


def _of_the_connection(event: Event) -> Text | None:
    match event:
        case client.Connected(again=True):
            return note("connected again")
        case client.Disconnected():
            return problem(f"connection lost ({event.reason}); coming back")
        case client.Gap():
            where = f" in {event.room}" if event.room else ""
            return problem(f"{event.missing} messages or changes{where} were missed")
        case client.RoomLost() | client.Error():
            return problem(event.message)
        case _:
            return None
