"""A small client for the game protocol, as an example and for the tests beside it.

It knows `protocol/README.md` and nothing else. A `Game` is one connection: it answers the server's
questions for the agents' state, puts each turn together from its messages, and lets a game wait for
what it needs:

    async with Game.connect("ws://127.0.0.1:8000/ws", session_id="save-1") as game:
        game.states["guard"] = {"name": "Brann"}
        event = await game.event("guard", text="Let me in!", actor={"name": "Mira"})
        turn = await game.fate(event)      # a Turn that has begun, or Dropped
        await game.ended(turn)
        print(turn.speech)
        await game.stored(await game.result(turn))

A game that shows text while it comes looks at `turn.tags` whenever `game.until(...)` wakes it, or
overrides `Game.on_message`.
"""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

Message = dict[str, Any]
T = TypeVar("T")

# Much longer than a server takes; whoever waits so long waits for something that won't come.
PATIENCE = 20.0


class Disconnected(Exception):
    """The connection ended while something was awaited."""

    def __init__(self, code: int | None, reason: str) -> None:
        super().__init__(f"the connection was closed: {code} {reason}")
        self.code = code
        self.reason = reason


@dataclass
class Tag:
    """A piece of speech, an action or a tool call; grows while `complete` is `None`."""

    tag_id: int
    name: str
    kind: str
    attributes: dict[str, str]
    parent_id: int | None = None
    call_id: str | None = None
    arguments: Message | None = None
    text: str = ""
    complete: bool | None = None


@dataclass
class Turn:
    """One reaction of an agent. `end` is the message that ended it, `None` while it runs."""

    agent_id: str
    turn_id: str
    started: Message
    tags: list[Tag] = field(default_factory=list)
    end: Message | None = None

    @property
    def speech(self) -> str:
        """All that is said aloud, so far."""
        return "".join(tag.text for tag in self.tags if tag.kind == "speech")

    @property
    def finish_reason(self) -> str | None:
        return (self.end or {}).get("finish_reason")

    @property
    def interrupted_by(self) -> str | None:
        return (self.end or {}).get("reason")

    def read(self, message: Message) -> None:
        """Takes in the next message of the turn."""
        match message["type"]:
            case "agent_tag_open":
                optional = {key: message.get(key) for key in ("parent_id", "call_id", "arguments")}
                tag = Tag(message["tag_id"], message["tag"], message["kind"],
                          message["attributes"], **optional)
                self.tags.append(tag)
            case "agent_tag_chunk":
                self.tags[message["tag_id"]].text += message["text"]
            case "agent_tag_close":
                self.tags[message["tag_id"]].complete = message["complete"]
            case "agent_turn_finished" | "agent_turn_interrupted":
                self.end = message


@dataclass(frozen=True)
class Dropped:
    """An event that gets no turn."""

    agent_id: str
    event_id: str
    reason: str


class Game:
    """One connection to the server. Made by `Game.connect`."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        # By agent: what `get_agent_state` is answered with. An agent that isn't here isn't answered
        # for. A function is asked each time, so that it can tell the newest state.
        self.states: dict[str, Message | Callable[[], Message]] = {}
        self.turns: dict[str, Turn] = {}
        self.dropped: list[Dropped] = []
        self.errors: list[Message] = []
        # Everything that came, in order.
        self.messages: list[Message] = []
        self._changed = asyncio.Condition()
        self._over: Exception | None = None

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(
        cls,
        url: str,
        *,
        token: str | None = None,
        say_hello: bool = True,
        **hello: Any,
    ) -> AsyncIterator["Game"]:
        """Connects and says hello; `hello`: its fields, such as `session_id`."""
        headers = {"Authorization": f"Bearer {token}"} if token else None
        # Compression would only delay small frames.
        async with connect(url, additional_headers=headers, compression=None, proxy=None,
                           max_size=32 * 1024) as socket:
            game = cls(socket)
            reading = asyncio.create_task(game._read_all())
            try:
                if say_hello:
                    await game.send("hello", protocol="1", **hello)
                    await game.expect("welcome")
                yield game
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    # What a game says.

    async def send(self, kind: str, **fields: Any) -> None:
        """Sends a message; fields that are `None` are left out."""
        given = {name: value for name, value in fields.items() if value is not None}
        await self.socket.send(json.dumps({"type": kind, **given}, ensure_ascii=False))

    async def event(self, agent_id: str, text: str | None = None, **fields: Any) -> str:
        """Something the agent should react to. Returns the event's id."""
        # Ids from a counter would begin anew with the game, and be taken for repetitions.
        event_id = fields.pop("event_id", None) or uuid.uuid4().hex
        # One that was dropped before gets a new fate.
        self.dropped = [drop for drop in self.dropped
                        if (drop.agent_id, drop.event_id) != (agent_id, event_id)]
        await self.send("interaction_event", agent_id=agent_id, event_id=event_id, text=text,
                        **fields)
        return event_id

    async def result(
        self,
        turn: Turn,
        tags: list[Message] | None = None,
        content: str | None = None,
    ) -> str:
        """Reports what the player saw: all of it, unless `tags` or `content` say otherwise. Returns
        the `message_id`, which `stored` waits for."""
        if tags is None and content is None:
            tags = [{"tag_id": tag.tag_id, "outcome": "done"} for tag in turn.tags]
        message_id = uuid.uuid4().hex
        await self.send("agent_turn_result", message_id=message_id, agent_id=turn.agent_id,
                        turn_id=turn.turn_id, tags=tags, content=content)
        return message_id

    async def tool_results(
        self,
        turn: Turn,
        results: list[Message],
        follow_up: bool | None = None,
    ) -> str:
        """Tells what the game's tools answered. Returns the `message_id`."""
        message_id = uuid.uuid4().hex
        await self.send("tool_results", message_id=message_id, agent_id=turn.agent_id,
                        turn_id=turn.turn_id, results=results, follow_up=follow_up)
        return message_id

    # What a game waits for.

    async def until(self, find: Callable[[], T | None], patience: float = PATIENCE) -> T:
        """Waits until `find` returns something other than `None` or `False`; it is asked after each
        message.

        Raises `Disconnected` if the connection ends before, `TimeoutError` if it takes too long.
        """
        try:
            async with asyncio.timeout(patience), self._changed:
                while not (found := find()):
                    if self._over:
                        raise self._over
                    await self._changed.wait()
                return found
        except TimeoutError:
            last = "\n".join(json.dumps(message) for message in self.messages[-8:])
            raise TimeoutError(f"waited {patience} s in vain; the last that came:\n{last}") from None

    async def expect(self, kind: str, **fields: Any) -> Message:
        """Waits for the first message of this type with these fields, past ones included."""
        def fits(message: Message) -> bool:
            return message["type"] == kind and all(
                message.get(name) == value for name, value in fields.items())
        return await self.until(lambda: next(filter(fits, self.messages), None))

    def fate_of(self, event_id: str) -> Turn | Dropped | None:
        """What became of an event: the turn that answers it, or that it was dropped. That another
        with its id was a `duplicate` says nothing about it."""
        answers = (t for t in self.turns.values() if event_id in t.started["event_ids"])
        drops = (d for d in self.dropped if d.event_id == event_id and d.reason != "duplicate")
        return next(answers, None) or next(drops, None)

    async def fate(self, event_id: str) -> Turn | Dropped:
        """Waits until an event's fate is known."""
        return await self.until(lambda: self.fate_of(event_id))

    async def ended(self, turn: Turn) -> Turn:
        """Waits for a turn's end."""
        await self.until(lambda: turn.end)
        return turn

    async def stored(self, message_id: str) -> None:
        """Waits until what was sent with this `message_id` is stored."""
        await self.expect("stored", in_reply_to=message_id)

    async def closed(self) -> tuple[int | None, str]:
        """Waits for the connection's end; gives the close code and its reason."""
        def over() -> Exception | None:
            return self._over
        ending = await self.until(over)
        if not isinstance(ending, Disconnected):
            raise ending
        return ending.code, ending.reason

    # What the server says.

    async def on_message(self, message: Message) -> None:
        """Takes in one message. Types that it doesn't know are passed over, as later servers may
        have more."""
        self.messages.append(message)
        match message["type"]:
            case "get_agent_state":
                await self._answer_state(message)
            case "agent_turn_started":
                turn = Turn(message["agent_id"], message["turn_id"], message)
                self.turns[turn.turn_id] = turn
            case "event_dropped":
                drop = Dropped(message["agent_id"], message["event_id"], message["reason"])
                self.dropped.append(drop)
            case "error":
                self.errors.append(message)
            case _ if "seq" in message:
                self.turns[message["turn_id"]].read(message)

    async def _answer_state(self, question: Message) -> None:
        state = self.states.get(question["agent_id"])
        if state is not None:
            await self.send("agent_state_snapshot", request_id=question["request_id"],
                            agent_id=question["agent_id"],
                            state=state() if callable(state) else state)

    async def _read_all(self) -> None:
        try:
            while True:
                message = json.loads(await self.socket.recv())
                await self.on_message(message)
                await self._wake()
        except ConnectionClosed:
            self._over = Disconnected(self.socket.close_code, self.socket.close_reason or "")
        # Whoever waits should hear of it, not wait on.
        except Exception as error:  # noqa: BLE001
            self._over = error
        await self._wake()

    async def _wake(self) -> None:
        async with self._changed:
            self._changed.notify_all()
