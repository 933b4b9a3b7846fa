"""A client of the roleplay door, which knows `protocol/rpc.md` alone, the world in which its tests talk,
and a wire to the model that keeps what was asked."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from client import PATIENCE
from house import House, Server

PROTOCOL = Path(__file__).parents[2] / "protocol"
EXAMPLES = PROTOCOL / "examples/rpc"


def closed(schema: object) -> object:
    """A schema that allows only what it names."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    more = {"additionalProperties": False} if schema.get("type") == "object" else {}
    return {key: closed(part) for key, part in schema.items()} | more


FRAME = Draft202012Validator(closed(json.loads((PROTOCOL / "schemas/rpc/frame.json").read_text())))

STATE_KEYS = ["model", "model_confirmed", "world_id", "character_id", "session_id",
              "available_worlds", "available_characters", "available_models", "available_rules",
              "active_rules", "available_sessions"]

ASSETS = {
    "worlds/mill.yaml": """
id: mill
name: The Mill
scene: The wheel turns, and flour hangs in the air.
start_message: The door of the mill stands open.
system_prompt: Nobody here has ever seen the sea.
lore: The mill was built by a widow called Gunnhild.
""",
    "worlds/bare.yaml": "{ id: bare, name: Bare }",
    "characters/bob.yaml": "{ id: bob, name: Bob, persona: You are Bob and grind rye. }",
    "characters/ann.yaml": "{ id: ann, name: Ann, persona: You are Ann and keep bees. }",
    "rules/short.yaml": "{ id: short, name: Short, prompt: Answer in one sentence. }",
    "rules/nsfw.yaml": "{ id: nsfw, name: Mature, prompt: Grown-ups are talking. }",
}

SCRIPT = """
rules:
  - when: { text: tale }
    reply:
      - "Once there was a miller,"
      - { text: " and he had a cat.", delay_ms: 60000 }
  - when: { text: soon }
    reply:
      - "One"
      - { text: " and two.", delay_ms: 700 }
  - when: { text: ponder }
    reply: "<think>Who asks?</think>It is rye."
  - reply: "Well met."
"""


class Frame:
    """One thing that the server said."""

    def __init__(self, raw: str) -> None:
        self.raw = raw
        whole = json.loads(raw)
        FRAME.validate(whole)
        assert list(whole) == ["event", "payload"], raw
        assert list(whole["payload"]) == ["content", "metadata"], raw
        self.event: str = whole["event"]
        self.content: str = whole["payload"]["content"]
        self.metadata: dict = whole["payload"]["metadata"]

    def __repr__(self) -> str:
        return self.raw


class Chat:
    """One connection, that reads as far as a test waits. Each frame is held to the schema."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        # Everything that came, in order.
        self.frames: list[Frame] = []

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, server: Server, query: str = "", greeted: bool = True,
                      **options) -> AsyncIterator["Chat"]:
        """Connects, and reads the first two frames."""
        async with connect(f"{server.url}/rpc{query}", compression=None, proxy=None,
                           max_queue=None, max_size=None, **options) as socket:
            chat = cls(socket)
            if greeted:
                assert (await chat.next("system_update")).metadata == {"status": "ok"}
                await chat.next("sync_state")
            yield chat

    async def read(self) -> Frame:
        """The next frame."""
        async with asyncio.timeout(PATIENCE):
            frame = Frame(await self.socket.recv())
        self.frames.append(frame)
        return frame

    async def next(self, event: str) -> Frame:
        """The next frame, which has to be this."""
        return self.held(await self.read(), event)

    @staticmethod
    def held(frame: Frame, event: str) -> Frame:
        assert frame.event == event, f"awaited {event}: {frame}"
        return frame

    async def until(self, event: str, fits: Callable[[Frame], bool] = lambda _: True) -> Frame:
        """The next frame that is this, passing over others."""
        while not ((frame := await self.read()).event == event and fits(frame)):
            pass
        return frame

    async def send(self, text: str | bytes, **fields: object) -> None:
        """Sends plain text, or with further fields JSON."""
        await self.socket.send(json.dumps({"prompt": text, **fields}) if fields else text)

    async def answer(self, event: str) -> Frame:
        """The next frame, which has to be this, behind how things stand after a session's first
        turn."""
        frame = await self.read()
        return await self.next(event) if frame.event == "sync_state" else self.held(frame, event)

    async def done(self, command: str) -> dict:
        """Does what changes something; gives how things stand then."""
        await self.send(command)
        assert (frame := await self.answer("system_update")).content.startswith("✓"), frame
        return (await self.next("sync_state")).metadata

    async def history(self, command: str) -> list[tuple[str, str]]:
        """Begins a session or takes one up; gives what was said there."""
        await self.done(command)
        history = (await self.next("chat_history")).metadata["history"]
        return [(message["role"], message["content"]) for message in history]

    async def stage(self, world: str = "bare", character: str = "bob") -> str:
        """Prepares everything for a prompt; gives the session's id."""
        await self.done(f"/world select {world}")
        await self.done(f"/character select {character}")
        await self.history("/session new")
        return self.state["session_id"]

    async def refused(self, message: str | bytes, **fields: object) -> str:
        """Sends what can't be done; gives the sentence that says why."""
        await self.send(message, **fields)
        assert (frame := await self.answer("system_update")).content.startswith("✗"), frame
        return frame.content

    async def faulty(self, message: str | bytes, **fields: object) -> tuple[str, str]:
        """Sends what is wrong; gives the error's code and sentence."""
        await self.send(message, **fields)
        frame = await self.answer("error")
        return frame.metadata["code"], frame.content

    async def reply(self) -> str:
        """Reads a reply to its end; gives its words."""
        words = ""
        while (frame := await self.read()).event != "chat_end":
            if frame.event == "chat_chunk":
                assert frame.content, "a chunk has new text"
                words += frame.content
        assert frame.content == ""
        return words

    async def say(self, text: str, **fields: object) -> str:
        """A turn from the prompt to its end."""
        await self.send(text, **fields)
        return await self.reply()

    async def begun(self, text: str, beginning: str) -> None:
        """Sends a prompt, and reads until the reply has begun so."""
        await self.send(text)
        words = ""
        while words != beginning:
            words += (await self.until("chat_chunk")).content

    async def closed(self) -> int:
        """Reads to the connection's end; gives the close code."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self.read()
        return self.socket.close_code

    @property
    def state(self) -> dict:
        """How things stood at last."""
        return next(f for f in reversed(self.frames) if f.event == "sync_state").metadata

    @property
    def events(self) -> list[str]:
        return [frame.event for frame in self.frames]


class Wire:
    """Stands between the server and a model, and keeps what the model was asked."""

    def __init__(self, model: str) -> None:
        self.model = urlsplit(model)
        self.requests: list[dict] = []
        # That the server has let go of a connection, and that the model has said all of a reply.
        self.dropped = asyncio.Event()
        self.answered = asyncio.Event()

    @classmethod
    @contextlib.asynccontextmanager
    async def tapped(cls, model: str) -> AsyncIterator["Wire"]:
        wire = cls(model)
        async with await asyncio.start_server(wire._carry, "127.0.0.1", 0) as listening:
            wire.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
            yield wire

    def messages(self) -> list[tuple[str, str]]:
        """Those of the last request."""
        return [(m["role"], m["content"]) for m in self.requests[-1]["messages"]]

    def said(self) -> str:
        """All of the last request, to look for something in it."""
        return "\n".join(f"[{role}] {content}" for role, content in self.messages())

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, upstream = await asyncio.open_connection(self.model.hostname, self.model.port)
        copying = asyncio.create_task(self._copy(answers, writer))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
                body = await reader.readexactly(int(length[1])) if length else b""
                if body:
                    self.requests.append(json.loads(body))
                upstream.write(head + body)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            self.dropped.set()
        finally:
            copying.cancel()
            upstream.close()
            writer.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            if b"[DONE]" in data:
                self.answered.set()
        writer.close()


@contextlib.asynccontextmanager
async def tapped(house: House, **settings: object) -> AsyncIterator[tuple[Server, Wire]]:
    """A server with the assets of this file, and the wire to its model."""
    async with Wire.tapped(house.model(SCRIPT)) as wire:
        yield serve(house, wire.url, **settings), wire


def serve(house: House, model: str | None, **settings: object) -> Server:
    """A server with the assets of this file, whose own model is `some/model`."""
    (house.folder / "config.yaml").write_text("default_model: some/model")
    for name, text in ASSETS.items():
        path = house.folder / "assets" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return house.serve(model, assets="assets", **settings)


def play(house: House, **settings: object) -> Server:
    return serve(house, house.model(SCRIPT), **settings)


def ids(choices: list[dict]) -> list[str]:
    return [choice["id"] for choice in choices]
