"""What one types in a chat, and what it does."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from rich.text import Text

from talas import client
from talas.cli.chat_lines import Lines, clean, note, problem
from talas.client import Api, Chat, ChatError, Direct, Event, Message, Refused

TYPING_SHOWN_S = 30.0
READ_EVERY_S = 3.0
HISTORY = 10
_MAX_LOOKED_UP = 50

Place = str | int
Command = Callable[["Talk", str], Awaitable[None]]


class Talk:
    """``place`` is the room (its name) or the user (an id) that one is talking to. ``failures``
    counts what was typed and could not be done."""

    def __init__(self, chat: Chat, api: Api, show: Callable[[Text], None], *, quiet: bool) -> None:
        """``quiet``: nothing about who types, and nothing is marked as read."""
        self._chat, self._api, self._show, self._quiet = chat, api, show, quiet
        self._names: dict[int, str] = {chat.user_id: chat.username}
        self._lines = Lines(chat.user_id, chat.username, self._names)
        self._newest: dict[Place, int] = {}
        self._own: dict[Place, int] = {}
        self._typed_at: dict[int, float] = {}
        self.place: Place = ""
        self.failures = 0
        self.over = False

    @property
    def title(self) -> str:
        if isinstance(self.place, int):
            return "@" + clean(self._names.get(self.place, str(self.place)))
        return clean(self.place)

    async def listen(self) -> None:
        """Shows what happens, until the chat is over. Raises Ended."""
        async for event in self._chat:
            self._note_down(event)
            if isinstance(event, client.Typing) and not self._is_news(event.from_user):
                continue
            line = self._lines.of(event, here=self._is_here(event))
            if line is not None:
                self._show(line)

    async def keep_read(self) -> None:
        """Marks as read what is shown of where one is."""
        marked: dict[Place, int] = {}
        while True:
            await asyncio.sleep(READ_EVERY_S)
            place, newest = self.place, self._newest.get(self.place, 0)
            if newest > marked.get(place, 0):
                marked[place] = newest
                await self._try(self._chat.read(place))

    async def typed(self, line: str) -> None:
        """A message, or a command."""
        line = line.strip()
        word, _, rest = line.partition(" ")
        if not line:
            return
        if not line.startswith("/") or line.startswith("//"):
            await self._try(self._say(line.removeprefix("/") if line.startswith("//") else line))
            return
        command = COMMANDS.get(word[1:].lower())
        if command is None:
            self._complain(f"{word} is no command; /help lists them")
            return
        await self._try(command[0](self, rest.strip()))

    async def verbatim(self, line: str) -> None:
        """A message, whatever it begins with."""
        if line.strip():
            await self._try(self._say(line.strip()))

    async def _try(self, work: Awaitable[object]) -> None:
        try:
            await work
        except client.Ended:
            raise
        except _Wrong as error:
            self._complain(f"usage: {error}")
        except ChatError as error:
            self._complain(str(error))

    def _complain(self, text: str) -> None:
        self.failures += 1
        self._show(problem(text))

    # Commands

    async def join(self, room: str) -> None:
        if not room:
            raise _Wrong("/join ROOM")
        self.place = await self._chat.join(room)
        for message in await self._chat.history(self.place, limit=HISTORY):
            self._note_down(message)
            if not self._quiet:
                self._show(self._lines.said(message, here=True))

    async def direct(self, words: str) -> None:
        name, _, text = words.partition(" ")
        if not name:
            raise _Wrong("/dm NAME [TEXT]")
        user_id = await self.find_user(name)
        if text.strip():
            await self._chat.dm(user_id, text.strip())
        else:
            self.place = user_id
            await self._history("")

    async def find_user(self, name: str) -> int:
        """The id of who has this username."""
        wanted = name.removeprefix("@").casefold()
        for user_id, known in self._names.items():
            if known.casefold() == wanted:
                return user_id
        for user in await self._api.get("/users", search=wanted, limit=100) or ():
            self._names[int(user["id"])] = str(user["username"])
            if str(user["username"]).casefold() == wanted:
                return int(user["id"])
        raise Refused("user_not_found", f"Nobody is called {name}")

    async def _say(self, text: str, reply_to: int | None = None) -> None:
        place = self.place
        if isinstance(place, int):
            ack = await self._chat.dm(place, text, reply_to=reply_to)
        elif place:
            ack = await self._chat.send(place, text, reply_to=reply_to)
        else:
            raise Refused("not_joined", "Join a room first: /join ROOM")
        # The message itself may be shown later than the next line is read.
        self._note_own(place, ack.message_id)

    async def _leave(self, room: str) -> None:
        room = room or (self.place if isinstance(self.place, str) else "")
        if not room:
            raise _Wrong("/leave ROOM")
        await self._chat.leave(room)
        self._show(note(f"left {room}"))
        if self.place == room:
            self.place = next(iter(self._chat.rooms), "")

    async def _rooms(self, _: str) -> None:
        rooms = await self._api.get("/chat/rooms", limit=100) or ()
        joined = set(self._chat.rooms)
        for room in rooms:
            mark = "*" if room["name"] in joined else " "
            self._show(note(f"{mark} {room['name']}  {room.get('description') or ''}".rstrip()))

    async def _who(self, room: str) -> None:
        room = room or (self.place if isinstance(self.place, str) else "")
        if not room:
            raise _Wrong("/who ROOM")
        here = sorted(self._chat.presence(room))
        for user_id in [one for one in here if one not in self._names][:_MAX_LOOKED_UP]:
            user = await self._api.get(f"/users/{user_id}")
            self._names[user_id] = str(user["username"])
        names = sorted(self._names.get(user_id, f"user {user_id}") for user_id in here)
        self._show(note(f"in {room}: {', '.join(names) or 'nobody'}"))

    async def _history(self, words: str) -> None:
        if words and not words.isdecimal():
            raise _Wrong("/history [COUNT]")
        limit = min(200, int(words or 20))
        messages: list[Message] | list[Direct]
        if isinstance(self.place, int):
            messages = await self._chat.dm_history(self.place, limit)
        else:
            messages = await self._chat.history(self.place, limit)
        for message in messages:
            self._note_down(message)
            self._show(self._lines.said(message, here=True))

    async def _reply(self, words: str) -> None:
        message_id, text = self._target(words, self._newest, "/reply [#ID] TEXT")
        await self._say(text, message_id)

    async def _edit(self, words: str) -> None:
        message_id, text = self._target(words, self._own, "/edit [#ID] TEXT")
        await self._chat.edit(message_id, text)

    async def _delete(self, words: str) -> None:
        message_id, _ = self._target(words, self._own, "/delete [#ID]", needs_text=False)
        await self._chat.delete(message_id)

    async def _react(self, words: str) -> None:
        message_id, emoji = self._target(words, self._newest, "/react [#ID] EMOJI")
        await self._chat.react(message_id, emoji)

    async def _unreact(self, words: str) -> None:
        message_id, emoji = self._target(words, self._newest, "/unreact [#ID] EMOJI")
        await self._chat.unreact(message_id, emoji)

    async def _help(self, _: str) -> None:
        for name, (_command, words, what) in COMMANDS.items():
            self._show(note(f"/{f'{name} {words}':24} {what}"))
        self._show(note("anything else is said where you are; // begins a text with /"))

    async def _quit(self, _: str) -> None:
        self.over = True

    def _target(
        self, words: str, default: dict[Place, int], usage: str, *, needs_text: bool = True
    ) -> tuple[int, str]:
        """The message that is meant, and the rest: the one that is named, else the last."""
        first, _, rest = words.partition(" ")
        message_id = default.get(self.place)
        if first.startswith("#") and first[1:].isdecimal():
            message_id, words = int(first[1:]), rest
        if message_id is None or (needs_text and not words.strip()):
            raise _Wrong(usage)
        return message_id, words.strip()

    # What happens

    def _note_down(self, event: Event) -> None:
        if isinstance(event, Message | Direct):
            self._names[event.from_user] = event.username
            place = event.room if isinstance(event, Message) else event.peer
            self._newest[place] = max(event.id, self._newest.get(place, 0))
            if event.from_user == self._chat.user_id:
                self._note_own(place, event.id)
        elif isinstance(event, client.MemberChanged) and event.name:
            self._names[event.user_id] = event.name
        elif (
            isinstance(event, client.RoomChanged)
            and isinstance(event.name, str)
            and isinstance(self.place, str)
            and self.place not in self._chat.rooms
        ):
            # The chat knows it by its new name already.
            self.place = event.name

    def _note_own(self, place: Place, message_id: int) -> None:
        self._own[place] = max(message_id, self._own.get(place, 0))
        self._newest[place] = max(message_id, self._newest.get(place, 0))

    def _is_here(self, event: Event) -> bool:
        return getattr(event, "room", None) == self.place

    def _is_news(self, user_id: int) -> bool:
        """Of who types one is told now and then."""
        now = time.monotonic()
        if self._quiet or now - self._typed_at.get(user_id, -TYPING_SHOWN_S) < TYPING_SHOWN_S:
            return False
        self._typed_at[user_id] = now
        return True


class _Wrong(ChatError):
    """What was typed lacks something; the text is how it should be."""


COMMANDS: dict[str, tuple[Command, str, str]] = {
    "join": (Talk.join, "ROOM", "join a room, or go to it"),
    "leave": (Talk._leave, "[ROOM]", "stop following it; you stay a member"),
    "dm": (Talk.direct, "NAME [TEXT]", "say something to one person, or go to them"),
    "rooms": (Talk._rooms, "", "rooms that there are; * those you follow"),
    "who": (Talk._who, "[ROOM]", "who is here"),
    "history": (Talk._history, "[COUNT]", "what was said"),
    "reply": (Talk._reply, "[#ID] TEXT", "answer a message, the last one unless you say which"),
    "edit": (Talk._edit, "[#ID] TEXT", "change what you said"),
    "delete": (Talk._delete, "[#ID]", "take back what you said"),
    "react": (Talk._react, "[#ID] EMOJI", "react to a message"),
    "unreact": (Talk._unreact, "[#ID] EMOJI", "take a reaction back"),
    "help": (Talk._help, "", "this"),
    "quit": (Talk._quit, "", "leave the chat"),
}
