"""The roleplay door, as `protocol/rpc.md` promises it: conversations with the real server and a mock
model, and the two example clients, run as the programs that they are."""

import asyncio
import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from jsonschema import Draft202012Validator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from client import PATIENCE
from house import BINARY, House, Server

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


# What comes first, and how things stand.


async def test_sync_state_has_its_keys_in_the_order_of_the_page(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        await chat.say("Hello")
        await chat.until("sync_state")
        states = [frame for frame in chat.frames if frame.event == "sync_state"]
        assert len(states) == 5
        for frame in states:
            places = [frame.raw.find(f'"{key}":') for key in STATE_KEYS]
            assert -1 not in places and places == sorted(places), frame
            assert list(frame.metadata) == STATE_KEYS
            assert frame.content == "State synchronized"


async def test_at_first_nothing_is_chosen_and_everything_is_offered(house):
    server = play(house)
    async with Chat.connect(server) as chat:
        state = chat.state
        assert (state["model"], state["model_confirmed"]) == ("some/model", False)
        assert [state[f"{kind}_id"] for kind in ("world", "character", "session")] == [""] * 3
        assert {"id": "mill", "name": "The Mill"} in state["available_worlds"]
        assert sorted(ids(state["available_characters"])) == ["ann", "bob"]
        assert sorted(ids(state["available_rules"])) == ["nsfw", "short"]
        assert state["active_rules"] == state["available_sessions"] == []
        chat_model = next(m for m in state["available_models"] if m["id"] == "deepseek-chat")
        assert chat_model["name"].startswith("[DeepSeek] ")
        assert list(chat_model) == ["id", "name", "prompt_price", "completion_price"]


async def test_any_subprotocol_is_accepted(house):
    async with Chat.connect(play(house), subprotocols=["chat", "other"]) as chat:
        assert chat.socket.subprotocol in ("chat", "other")


# Conversations.


async def test_a_conversation_from_the_choice_to_the_deletion(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        assert (await chat.done("/world select mill"))["world_id"] == "mill"
        assert chat.frames[-2].metadata == {"world_id": "mill"}
        assert (await chat.done("/character select bob"))["character_id"] == "bob"
        assert chat.frames[-2].metadata == {"character_id": "bob"}
        start = [("assistant", "The door of the mill stands open.")]
        assert await chat.history("/session new") == start
        session = chat.state["session_id"]
        assert session and chat.frames[-3].metadata == {"session_id": session}
        assert ids(chat.state["available_sessions"]) == [session]

        assert await chat.say("Good evening, whoever is here!") == "Well met."
        assert (await chat.next("sync_state")).metadata["available_sessions"] == [
            {"id": session, "name": "[The Mill] Bob: Good evening, whoever is here!"}]
        assert await chat.say("Is it rye?") == "Well met."

        async with Chat.connect(server) as other:
            said = [*start, ("user", "Good evening, whoever is here!"), ("assistant", "Well met."),
                    ("user", "Is it rye?"), ("assistant", "Well met.")]
            assert await other.history(f"/session continue {session}") == said
            chosen = [other.state[f"{kind}_id"] for kind in ("world", "character", "session")]
            assert chosen == ["mill", "bob", session]
            await other.say("And wheat?")
            assert "Is it rye?" in wire.said()

        state = await chat.done(f"/session delete {session}")
        assert (state["session_id"], state["available_sessions"]) == ("", [])
        assert session in await chat.refused(f"/session continue {session}")
        assert session in await chat.refused(f"/session delete {session}")
        assert (await chat.refused("Hello?")).startswith("✗ Prepare the stage first")
        await chat.next("chat_end")


async def test_a_session_in_a_world_without_a_start_message_begins_with_nothing(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage("bare")
        assert chat.frames[-1].metadata == {"history": []}


async def test_a_reply_streams_with_its_model_its_pace_and_its_end(house):
    server = serve(house, house.model(SCRIPT, rate=100))
    async with Chat.connect(server) as chat:
        await chat.stage("mill")
        assert await chat.say("Hello") == "Well met."
        chunks = [frame for frame in chat.frames if frame.event == "chat_chunk"]
        assert len(chunks) > 1
        for chunk in chunks:
            assert list(chunk.metadata) == ["model", "tokens_per_second", "world_id"]
            assert (chunk.metadata["model"], chunk.metadata["world_id"]) == ("some/model", "mill")
        paces = [chunk.metadata["tokens_per_second"] for chunk in chunks]
        assert paces[0] == 0 and all(pace > 0 for pace in paces[1:])
        assert paces == [round(pace, 2) for pace in paces]
        end = chat.frames[-1].metadata
        assert end["total_tokens"] == end["usage"]["output_tokens"] > 0
        assert end["usage"]["input_tokens"] > 0


async def test_reasoning_is_no_part_of_the_reply(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        await chat.stage()
        assert await chat.say("Please ponder it.") == "It is rye."
        await chat.say("Hm.")
        assert "Who asks?" not in wire.said()


async def test_a_prompt_before_the_stage_is_prepared_is_refused_and_ends(house):
    sentence = "✗ Prepare the stage first (World, Char, Session)."
    async with Chat.connect(play(house)) as chat:
        for step in ("/world select mill", "/character select bob", "/session new", None):
            if step is None:
                assert await chat.say("Hello") == "Well met."
                break
            assert await chat.refused("Hello") == sentence
            assert (await chat.next("chat_end")).metadata["total_tokens"] == 0
            if step != "/session new":
                await chat.refused("/session new")
                await chat.done(step)
            else:
                assert await chat.history(step) == [
                    ("assistant", "The door of the mill stands open.")], "nothing was stored"


async def test_several_people_talk_to_one_character(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        session = await chat.stage()
        await chat.say("Hello", sender="Wren")
        await chat.say("Me too!", sender="Mira" * 20, mood="ignored")
        assert "[Wren]: Hello" in wire.said() and f"[{'Mira' * 20}]: Me too!" in wire.said()
        history = await chat.history(f"/session continue {session}")
        assert history[0] == ("user", "[Wren]: Hello")


async def test_the_model_is_told_world_character_rules_scene_and_history(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        await chat.stage("mill")
        await chat.done("/rules add short")
        await chat.say("Good evening!")
        (role, system), *rest = wire.messages()
        assert role == "system"
        for part in ("Nobody here has ever seen the sea.", "You are Bob and grind rye."):
            assert part in system
        assert system.index("### UNIVERSAL LAWS ###") < system.index("Answer in one sentence.")
        role, said = rest[-1]
        assert role == "user" and said.index("### CURRENT CONTEXT ###") < said.index("wheel turns")
        assert said.index("wheel turns") < said.index("Good evening!")

        await chat.done("/rules clear")
        for number in range(10):
            await chat.say(f"Sack number {number}")
        (_, system), *rest = wire.messages()
        assert "Answer in one sentence." not in system and "wheel turns" not in wire.said()
        assert [role for role, _ in rest] == ["user", "assistant"] * 5 + ["user"]
        assert [said for role, said in rest[:-1] if role == "user"] == [
            f"Sack number {number}" for number in range(4, 9)]
        assert rest[-1][1].endswith("Sack number 9")


async def test_what_the_history_no_longer_shows_is_remembered(house):
    async with tapped(house, history_messages=2) as (server, wire), Chat.connect(server) as chat:
        await chat.stage()
        await chat.say("My sister Hildegard lives in Saltmere.")
        await chat.say("It rains.")
        await chat.say("It still rains.")
        assert "Hildegard" not in wire.said()
        await chat.say("Where does Hildegard live?")
        assert "lives in Saltmere" in wire.said()
        # In another session nobody has heard of her.
        await chat.history("/session new")
        await chat.say("Where does Hildegard live?")
        assert "Saltmere" not in wire.said()


async def test_continuing_shows_the_last_fifty_messages(house):
    async with Chat.connect(play(house)) as chat:
        session = await chat.stage("mill")
        for number in range(27):
            await chat.say(f"Sack number {number}")
        history = await chat.history(f"/session continue {session}")
        assert len(history) == 50
        assert history[0] == ("user", "Sack number 2") and history[-2] == ("user", "Sack number 26")


async def test_the_fifteen_sessions_spoken_in_last_are_listed_with_their_titles(house):
    async with Chat.connect(play(house)) as chat:
        sessions = [await chat.stage() for _ in range(16)]
        listed = ids(chat.state["available_sessions"])
        assert listed == sessions[:0:-1]
        await chat.history(f"/session continue {sessions[1]}")
        await chat.say("This title has more than thirty letters, hasn't it?")
        first = (await chat.until("sync_state")).metadata["available_sessions"][0]
        assert first == {"id": sessions[1],
                         "name": f"[Bare] Bob: {'This title has more than thirty letters'[:30]}"}
        await chat.send("/session list")
        named = (await chat.next("system_update")).content
        assert sessions[1] in named and sessions[0] not in named


# While a reply streams.


async def test_a_cancelled_reply_ends_at_once_and_what_came_is_kept(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        session = await chat.stage()
        await chat.begun("Tell me a tale", "Once there was a miller,")
        await chat.send("/cancel")
        assert (await chat.next("system_update")).content == "✗ Stream cancelled by user."
        await chat.next("chat_end")
        async with asyncio.timeout(PATIENCE):
            await wire.dropped.wait()
        assert await chat.say("Go on") == "Well met."
        assert "Once there was a miller," in wire.said() and "a cat" not in wire.said()
        history = await chat.history(f"/session continue {session}")
        assert history[1][0] == "assistant"
        assert history[1][1].startswith("Once there was a miller,")
        assert await chat.refused("/cancel") == "✗ Nothing is running."


async def test_each_cancel_is_answered_even_one_that_meets_the_replys_end(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        for number in range(100):
            seen = len(chat.frames)
            await chat.begun("Hello", "Well met.")
            await chat.send("/cancel")
            await chat.send("/help")
            await chat.until("system_update", lambda frame: frame.content.startswith("✓"))
            events = chat.events[seen:]
            while "chat_end" not in events:
                events.append((await chat.read()).event)
            assert events.count("chat_end") == 1, chat.frames[seen:]
            assert events.count("system_update") == 2, (
                f"the cancel number {number} has no answer: {chat.frames[seen:]}")


async def test_a_prompt_sent_while_a_reply_streams_waits_and_a_second_one_is_refused(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        await chat.stage()
        await chat.begun("Count, soon", "One")
        await chat.send("And then?")
        await chat.send("Well?")
        assert (await chat.until("system_update")).content.startswith("✗")
        assert "chat_end" not in chat.events
        assert await chat.reply() == " and two."
        assert await chat.reply() == "Well met."
        assert "One and two." in wire.said() and "And then?" in wire.said()
        assert "Well?" not in wire.said()
        assert len(wire.requests) == 2 and chat.events.count("chat_end") == 2


async def test_commands_are_answered_while_a_reply_streams(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        await chat.begun("Tell me a tale", "Once there was a miller,")
        assert (await chat.done("/rules add short"))["active_rules"] == ["short"]
        await chat.send("/help")
        told = (await chat.next("system_update")).content
        assert "/session continue" in told and "/cancel" in told
        await chat.send("/cancel")
        assert await chat.reply() == ""


async def test_a_session_answers_one_prompt_at_a_time(house):
    server = play(house)
    async with Chat.connect(server) as one, Chat.connect(server) as other:
        session = await one.stage()
        await one.begun("Tell me a tale", "Once there was a miller,")
        await other.history(f"/session continue {session}")
        await other.refused("Me too!")
        await other.next("chat_end")
        await one.send("/cancel")
        await one.reply()
        assert await other.say("And now?") == "Well met."
        said = await other.history(f"/session continue {session}")
        assert [text for role, text in said if role == "user"] == ["Tell me a tale", "And now?"]


async def test_a_client_that_leaves_cancels_its_reply(house):
    async with tapped(house) as (server, wire):
        async with Chat.connect(server) as chat:
            session = await chat.stage()
            await chat.begun("Tell me a tale", "Once there was a miller,")
            chat.socket.transport.abort()
            async with asyncio.timeout(PATIENCE):
                await wire.dropped.wait()
        async with Chat.connect(server) as chat:
            await chat.history(f"/session continue {session}")
            assert await chat.say("Go on") == "Well met."
            assert "Once there was a miller," in wire.said()


# What a connection chooses.


async def test_two_connections_have_their_own_state(house):
    async with tapped(house) as (server, wire):
        async with Chat.connect(server) as one, Chat.connect(server) as other:
            await one.stage("mill", "bob")
            await one.done("/rules add short")
            await one.done("/model scripted/actor")
            await other.stage("bare", "ann")
            assert (other.state["active_rules"], other.state["model_confirmed"]) == ([], False)
            await other.say("Hello")
            assert "keep bees" in wire.said() and "grind rye" not in wire.said()
            assert "Answer in one sentence." not in wire.said()
            assert (await one.done("/rules add nsfw"))["active_rules"] == ["short", "nsfw"]
            assert (one.state["world_id"], one.state["model"]) == ("mill", "scripted/actor")


async def test_a_client_with_a_name_finds_its_choices_again(house):
    model = house.model(SCRIPT)
    server = serve(house, model)
    name = quote("Wren's term & ünal", safe="")
    kinds = ("world_id", "character_id", "session_id", "active_rules", "model", "model_confirmed")
    async with Chat.connect(server, f"?client={name}") as chat:
        session = await chat.stage("mill", "ann")
        await chat.done("/rules add short")
        await chat.done("/model scripted/actor")
    for _ in range(2):
        async with Chat.connect(server, f"?client={name}") as chat:
            assert [chat.state[kind] for kind in kinds] == [
                "mill", "ann", session, ["short"], "scripted/actor", True]
            await chat.say("Hello again")
        for query in ("", "?client=somebody-else"):
            async with Chat.connect(server, query) as chat:
                assert [chat.state[kind] for kind in kinds[:4]] == ["", "", "", []]
        # The next time the server has been started anew.
        server.terminate()
        server = serve(house, model)


async def test_rules_are_switched_on_and_off_in_their_order(house):
    async with Chat.connect(play(house)) as chat:
        assert (await chat.done("/rules add short"))["active_rules"] == ["short"]
        assert chat.frames[-2].metadata == {"active_rules": ["short"]}
        assert (await chat.done("/nsfw"))["active_rules"] == ["short", "nsfw"]
        assert (await chat.done("/rules remove short"))["active_rules"] == ["nsfw"]
        assert (await chat.done("/nsfw"))["active_rules"] == []
        await chat.done("/rules add nsfw")
        assert (await chat.done("/rules clear"))["active_rules"] == []
        assert "short" in await chat.refused("/rules add nope")


async def test_a_session_comes_back_with_its_model(house):
    server = play(house)
    async with Chat.connect(server) as chat:
        await chat.done("/model scripted/actor")
        assert chat.frames[-2].metadata == {"model": "scripted/actor", "model_confirmed": True}
        session = await chat.stage()
        await chat.say("Hello")
    async with Chat.connect(server) as chat:
        assert chat.state["model"] == "some/model"
        await chat.history(f"/session continue {session}")
        assert chat.state["model"] == "scripted/actor"


async def test_a_model_is_chosen_from_the_list_and_the_local_server(house):
    model = house.model(SCRIPT)
    async with Chat.connect(serve(house, model, local_base=model)) as chat:
        for wanted in ("local/qwen", *ids(chat.state["available_models"]), "some/model"):
            assert (await chat.done(f"/model {wanted}"))["model"] == wanted
            assert chat.frames[-2].content == f"✓ Hot-swapped model to {wanted}"
        await chat.refused("/model unheard/of")


async def test_a_model_of_the_local_server_can_be_chosen_beside_those_of_the_settings(house):
    model = house.model(SCRIPT)
    async with Chat.connect(serve(house, model, local_base=model, models="other/*")) as chat:
        assert (await chat.done("/model local/qwen"))["model"] == "local/qwen"


async def test_a_model_that_the_settings_name_can_be_chosen(house):
    async with Chat.connect(play(house, models="other/*")) as chat:
        assert (await chat.done("/model other/thing"))["model_confirmed"]
        await chat.refused("/model unheard/of")
        await chat.stage()
        await chat.say("Hello")
        chunk = next(frame for frame in chat.frames if frame.event == "chat_chunk")
        assert chunk.metadata["model"] == "other/thing"


# Lore and assets.


async def test_attached_lore_is_found_from_the_next_turn_on_and_for_good(house):
    async with tapped(house) as (server, wire):
        async with Chat.connect(server) as chat:
            await chat.stage("mill")
            await chat.say("What is the cat called?")
            assert "Bartholomew" not in wire.said()
            await chat.done("/world attach_lore The miller's cat is called Bartholomew.")
            await chat.say("What is the cat called?")
            assert "Bartholomew" in wire.messages()[-1][1]
        server.terminate()
        server = serve(house, wire.url)
        async with Chat.connect(server) as chat:
            await chat.stage("mill", "ann")
            await chat.say("What is the cat called?")
            assert "Bartholomew" in wire.said(), "in another session, after a restart"
            await chat.stage("bare")
            await chat.say("What is the cat called?")
            assert "Bartholomew" not in wire.said(), "not in another world"


async def test_lore_needs_a_world_and_has_a_limit(house):
    async with Chat.connect(play(house)) as chat:
        await chat.refused("/world attach_lore The cat is grey.")
        await chat.done("/world select mill")
        await chat.done("/world attach_lore " + "x" * (256 * 1024))
        await chat.refused("/world attach_lore " + "x" * (256 * 1024 + 1))


async def test_a_folder_of_assets_is_read_again_but_none_outside(house):
    server = play(house)
    (house.folder / "outside").mkdir()
    (house.folder / "assets" / "link").symlink_to(house.folder / "outside")
    async with Chat.connect(server) as chat:
        (house.folder / "assets/worlds/sea.yaml").write_text("{ id: sea, name: The Sea }")
        assert "sea" in ids((await chat.done("/world sync_folder worlds"))["available_worlds"])
        await chat.done("/world select sea")
        for path in ("..", "../outside", "worlds/../..", str(house.folder / "outside"), "/", "link"):
            await chat.refused(f"/world sync_folder {path}")


# What goes wrong.


@pytest.mark.parametrize("message", [
    "{}", '{"prompt":3}', '{"prompt":null}', '{"sender":"Wren"}', '{"prompt":["Hello"]}', "", "   ",
    '{"prompt":""}', b"Hello", b'{"prompt":"Hello"}', '{"prompt":"Hello","sender":7}',
    '{"prompt":"Hello","sender":"[Wren]"}', json.dumps({"prompt": "Hello", "sender": "W" * 81}),
])
async def test_a_bad_message_is_answered_with_an_error_and_the_connection_goes_on(house, message):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        code, sentence = await chat.faulty(message)
        assert code == "invalid_message" and sentence
        assert await chat.say("Hello") == "Well met."


@pytest.mark.parametrize("command, nearest", [
    ("/wrold select mill", "/world select"), ("/world selct mill", "/world select"),
    ("/sesion new", "/session new"), ("/session contine x", "/session continue"),
    ("/cancl", "/cancel"), ("/hepl", "/help"), ("/rule add short", "/rules add"),
    ("/modle x", "/model"), ("/nswf", "/nsfw"),
])
async def test_an_unknown_command_is_told_the_nearest(house, command, nearest):
    async with Chat.connect(play(house)) as chat:
        code, sentence = await chat.faulty(command)
        assert code == "unknown_command" and nearest in sentence
        await chat.done("/world select mill")


async def test_an_id_that_isnt_there_is_answered_with_those_that_are(house):
    async with Chat.connect(play(house)) as chat:
        sentence = await chat.refused("/world select ../mill")
        assert "mill" in sentence and "bare" in sentence
        assert "bob" in await chat.refused("/character select nobody")
        await chat.refused("/session continue nowhere")
        await chat.refused("/session delete nowhere")
        assert chat.state["world_id"] == ""


async def test_a_message_that_is_too_long_is_refused_and_a_much_longer_one_ends_it(house):
    async with Chat.connect(play(house, max_message_bytes=4096)) as chat:
        await chat.stage()
        assert (await chat.faulty("x" * 5000))[0] == "too_large"
        assert await chat.say("x" * 4096) == "Well met."
        with contextlib.suppress(ConnectionClosed):
            await chat.send("x" * (4096 + 2 * 1024 * 1024))
        assert await chat.closed() == 1009


async def test_too_many_messages_in_a_second_are_refused_with_how_long_to_wait(house):
    async with Chat.connect(play(house, max_events_per_second=5)) as chat:
        for _ in range(20):
            await chat.send("/help")
        refused = [frame for frame in [await chat.read() for _ in range(20)]
                   if frame.event == "error"]
        assert 10 <= len(refused) < 20
        for frame in refused:
            assert frame.metadata["code"] == "rate_limited"
            assert re.search(r"\d", frame.content), frame


@pytest.mark.parametrize("query", ["?client=", f"?client={'x' * 257}", f"?client={'%C3%BC' * 129}"])
async def test_an_unusable_client_name_is_answered_with_an_error(house, query):
    async with Chat.connect(play(house), query, greeted=False) as chat:
        assert (await chat.until("error")).metadata["code"] == "invalid_message"
        await chat.until("sync_state")
        await chat.stage()
        assert await chat.say("Hello") == "Well met."


async def test_the_token_comes_in_the_header_or_in_the_address(house):
    server = play(house, token="open-sesame/42+?")
    header = {"Authorization": "Bearer open-sesame/42+?"}
    async with Chat.connect(server, additional_headers=header) as chat:
        await chat.stage()
    query = f"?token={quote('open-sesame/42+?', safe='')}&client=wren"
    async with Chat.connect(server, query) as chat:
        await chat.stage()
    async with Chat.connect(server, query) as chat:
        assert chat.state["session_id"], "the name counts beside the token"
    for query, headers in (("", {}), ("?token=nope", {}), ("", {"Authorization": "Bearer nope"})):
        async with Chat.connect(server, query, False, additional_headers=headers) as chat:
            assert await chat.closed() == 4001
            assert [f.metadata.get("code") for f in chat.frames] == ["unauthorized"]


async def test_web_pages_come_from_the_servers_own_host_or_from_the_list(house):
    server = play(house, origins="https://my.example")
    for origin in ("https://my.example", f"http://{urlsplit(server.url).netloc}"):
        async with Chat.connect(server, origin=origin) as chat:
            await chat.stage()
    async with Chat.connect(server, greeted=False, origin="https://evil.example") as chat:
        assert await chat.closed() == 4001
        assert [f.metadata.get("code") for f in chat.frames] == ["unauthorized"]


async def test_one_connection_too_many_is_refused(house):
    server = play(house, max_connections=1)
    async with Chat.connect(server) as chat:
        async with Chat.connect(server, greeted=False) as other:
            assert await other.closed() == 4029
            assert other.frames[0].metadata["code"] == "overloaded"
        await chat.stage()


@pytest.mark.parametrize("fault, code", [
    ("401", "provider_auth"), ("402", "provider_auth"), ("403-moderation", "provider_refused"),
    ("429:1", "provider_rate_limited"), ("500", "provider_error"), ("html", "provider_error"),
])
async def test_a_failing_provider_is_told_and_the_turn_ends(house, fault, code):
    server = serve(house, house.model(SCRIPT, f"--fault={fault}"))
    async with Chat.connect(server) as chat:
        await chat.stage()
        assert await chat.say("Hello") == ""
        assert [f.metadata["code"] for f in chat.frames if f.event == "error"] == [code]
        assert chat.events[-2:] == ["error", "chat_end"]


async def test_a_provider_that_fails_midway_leaves_what_came(house):
    server = serve(house, house.model(SCRIPT, "--fault=error-in-stream*1"))
    async with Chat.connect(server) as chat:
        session = await chat.stage()
        words = await chat.say("Hello")
        assert words and "Well met.".startswith(words)
        assert [f.metadata["code"] for f in chat.frames if f.event == "error"] == ["provider_error"]
        history = await chat.history(f"/session continue {session}")
        assert history[0] == ("user", "Hello") and history[1][1].startswith(words)
        assert await chat.say("Again") == "Well met."


async def test_a_model_whose_provider_has_no_key_is_answered_with_the_setting(house):
    async with Chat.connect(serve(house, None)) as chat:
        await chat.done("/model deepseek-chat")
        await chat.stage()
        assert "DEEPSEEK_API_KEY" in await chat.refused("Hello")
        await chat.next("chat_end")


async def test_a_queue_that_is_full_is_told_and_the_turn_ends(house):
    server = play(house, max_requests=1, max_queued_requests=0)
    async with Chat.connect(server) as one, Chat.connect(server) as other:
        await one.stage()
        await other.stage()
        await one.begun("Tell me a tale", "Once there was a miller,")
        assert await other.say("Hello") == ""
        assert other.events[-2:] == ["error", "chat_end"]
        assert other.frames[-2].metadata["code"] == "overloaded"


async def test_a_client_that_is_slow_loses_nothing(house):
    count = 40_000
    script = f"rules: [{{ reply: '{'flour ' * count}' }}]"
    async with Wire.tapped(house.model(script, rate=5_000_000)) as wire:
        async with Chat.connect(serve(house, wire.url)) as chat:
            await chat.stage()
            chat.socket.transport.pause_reading()
            await chat.send("Hello")
            async with asyncio.timeout(PATIENCE):
                await wire.answered.wait()
            chat.socket.transport.resume_reading()
            assert (await chat.reply()).split() == ["flour"] * count
            pieces = [frame.content for frame in chat.frames if frame.event == "chat_chunk"]
            assert max(map(len, pieces)) > 1000, "what waited comes in larger pieces"


# What others see.


async def test_who_is_in_a_session_that_another_deleted_is_told_so(house):
    server = play(house)
    async with Chat.connect(server) as one, Chat.connect(server) as other:
        session = await one.stage()
        await one.say("Hello")
        await other.done(f"/session delete {session}")
        await one.refused("Are you there?")
        await one.next("chat_end")


async def test_the_logs_tell_what_a_reply_was_made_from(house):
    async with Chat.connect(play(house)) as chat:
        session = await chat.stage("mill")
        await chat.say("Who built this mill?")
    house.processes[-1].terminate()
    told = subprocess.run([BINARY, "logs", "prompt", session], cwd=house.folder, text=True,
                          capture_output=True, check=True).stdout
    for part in ("You are Bob and grind rye.", "Gunnhild", "Who built this mill?"):
        assert part in told


# The server's end.


async def test_after_a_kill_midway_the_session_is_there_with_what_was_said(house):
    model = house.model(SCRIPT)
    server = serve(house, model)
    async with Chat.connect(server, "?client=wren") as chat:
        session = await chat.stage("mill")
        await chat.say("My name is Wren.")
        await chat.say("I bring rye.")
        await chat.begun("Tell me a tale", "Once there was a miller,")
        server.kill()
        assert await chat.closed() in (None, 1006)

    server = serve(house, model)
    async with Chat.connect(server, "?client=wren") as chat:
        assert chat.state["session_id"] == session
        assert ids(chat.state["available_sessions"]) == [session]
        history = await chat.history(f"/session continue {session}")
        assert history[:6] == [
            ("assistant", "The door of the mill stands open."), ("user", "My name is Wren."),
            ("assistant", "Well met."), ("user", "I bring rye."), ("assistant", "Well met."),
            ("user", "Tell me a tale")]
        assert await chat.say("Where were we?") == "Well met."


async def test_a_shutdown_says_goodbye_and_keeps_the_reply_so_far(house):
    model = house.model(SCRIPT)
    server = serve(house, model)
    async with Chat.connect(server) as chat:
        session = await chat.stage()
        await chat.begun("Tell me a tale", "Once there was a miller,")
        assert await asyncio.to_thread(server.terminate) == 0
        assert await chat.closed() == 1001
        assert "shutdown" in [f.metadata["code"] for f in chat.frames if f.event == "error"]
        assert chat.events.count("chat_end") == 1
    async with Chat.connect(serve(house, model)) as chat:
        history = await chat.history(f"/session continue {session}")
        assert history[0] == ("user", "Tell me a tale")
        assert history[1][1].startswith("Once there was a miller,")


# The example clients.

PROGRAMS = {
    "chat.py": [sys.executable, str(EXAMPLES / "chat.py")],
    "chat.mjs": ["/usr/bin/env", "node", "--experimental-websocket", str(EXAMPLES / "chat.mjs")],
}


class Terminal:
    """An example client as a process."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.shown = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, program: str, server: Server, *options: str) -> AsyncIterator["Terminal"]:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *PROGRAMS[program], f"{server.url}/rpc", *options,
            stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT)
        try:
            yield cls(child)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def until(self, text: str) -> None:
        """Waits until this is shown."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.shown:
                data = await self.child.stdout.read(65536)
                assert data, f"it ended without {text!r}: {self.shown}"
                self.shown += data.decode()

    def type(self, text: str) -> None:
        self.child.stdin.write(text.encode())

    async def ended(self, text: str = "") -> int:
        """Types the last lines, and waits for its end; gives the exit code."""
        self.type(text)
        async with asyncio.timeout(PATIENCE):
            self.child.stdin.close()
            self.shown += (await self.child.stdout.read()).decode()
            return await self.child.wait()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_client_holds_a_conversation_from_a_pipe(house, program):
    server = play(house, token="sesame+?")
    stage = ("--token=sesame+?", "--client=Wren & co", "--world=mill", "--character=bob")
    async with Terminal.open(program, server, *stage) as terminal:
        lines = ("Hello", "", "Count, soon", "/wrold", '{"a": 1}', "/rules add short")
        assert await terminal.ended("\n".join(lines)) == 0
        for part in ("mill: The Mill", "ann: Ann", "The door of the mill stands open.",
                     "Did you mean /world"):
            assert part in terminal.shown
        replies = re.findall(r"^(?:Well met\.|One and two\.)$", terminal.shown, re.MULTILINE)
        assert replies == ["Well met.", "One and two.", "Well met."]
        assert terminal.shown.index("One and two.") < terminal.shown.index("Did you mean")
    async with Terminal.open(program, server, *stage[:2]) as terminal:
        assert await terminal.ended("And again\n") == 0
        told = terminal.shown[terminal.shown.index("✓ Continued session"):]
        for part in ("Count, soon", "One and two.", '{"a": 1}'):
            assert part in told, "the history of the session that was left"


@pytest.mark.parametrize("program", PROGRAMS)
async def test_ctrl_c_cancels_an_example_clients_reply_and_not_the_client(house, program):
    server = play(house)
    async with Terminal.open(program, server, "--world=bare", "--character=bob") as terminal:
        terminal.type("Tell me a tale\n")
        await terminal.until("Once there was a miller,")
        terminal.child.send_signal(signal.SIGINT)
        await terminal.until("✗ Stream cancelled by user.")
        assert await terminal.ended("Hello\n") == 0
        assert terminal.shown.rstrip().endswith("Well met.") and "a cat" not in terminal.shown


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_client_says_why_it_is_not_let_in(house, program):
    async with Terminal.open(program, play(house, token="sesame")) as terminal:
        assert await terminal.ended("Hello\n") == 1
        assert "unauthorized" in terminal.shown


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_client_ends_with_the_server(house, program):
    server = play(house)
    async with Terminal.open(program, server, "--world=bare", "--character=bob") as terminal:
        terminal.type("Tell me a tale\n")
        await terminal.until("Once there was a miller,")
        server.kill()
        assert await terminal.ended("Hello\n") == 1
        assert "The connection failed" in terminal.shown
