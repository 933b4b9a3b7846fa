"""Corners of the protocol that a game may come upon."""

import asyncio
import base64
import contextlib
import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from client import PATIENCE, Dropped, Game, Turn
from strict import StrictGame, settled

BRANN = {"name": "Brann"}

SCRIPT = """
rules:
  - when: { tool: dig }
    reply: "<dig/>"
  - when: { text: dig }
    reply: "<dig/>"
  - when: { text: king }
    reply:
      - "<speech>The old king was a hard man,"
      - { text: " and he built the wall.</speech>", delay_ms: 60000 }
  - when: { text: soon }
    reply:
      - "<speech>One"
      - { text: " and two.</speech>", delay_ms: 500 }
  - reply: "<speech>Yes.</speech>"
"""


async def answered(game: Game, text: str, **fields) -> Turn:
    return await game.ended(await game.fate(await game.event("guard", text, **fields)))


async def test_follow_ups_end_after_four(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url) as game:
        game.states["guard"] = BRANN | {"tags": [
            {"name": "speech", "kind": "speech"},
            {"name": "dig", "kind": "tool", "content": "none"}]}
        turn = await answered(game, "dig!")
        for _ in range(4):
            await game.tool_results(turn, [{"tag_id": 0, "ok": True, "output": None}])
            known = set(game.turns)
            new = await game.until(lambda: set(game.turns) - known)
            turn = await game.ended(game.turns[new.pop()])
            assert turn.started["origin"] == "tool_follow_up"
        await game.stored(
            await game.tool_results(turn, [{"tag_id": 0, "ok": True, "output": None}]))
        await answered(game, "Enough")
        assert len(game.turns) == 6


async def test_no_follow_up_while_an_event_waits(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN | {"tags": [
            {"name": "speech", "kind": "speech"},
            {"name": "dig", "kind": "tool", "content": "none"}]}
        dug = await answered(game, "dig!")
        waiting = await game.event("guard", "Found something?", interrupt="queue")
        await game.tool_results(dug, [{"tag_id": 0, "ok": True, "output": "a bone"}])
        await game.result(dug)
        turn = await game.ended(await game.fate(waiting))
        assert len(game.turns) == 2 and turn.started["origin"] == "llm"
        assert "a bone" in server.prompt("guard", turn.turn_id)


async def test_a_notification_during_a_turn_stands_after_it(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        turn = await game.fate(await game.event("guard", "soon"))
        await game.until(lambda: turn.speech)
        await game.send("notification_event", agent_id="guard", text="A horn sounds.")
        await game.ended(turn)
        prompt = server.prompt("guard", (await answered(game, "What was that?")).turn_id)
        places = [prompt.index(text) for text in ("One and two.", "A horn sounds.", "What was")]
        assert places == sorted(places)


async def test_of_many_notifications_the_last_fifty_count(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        for number in range(60):
            await game.send("notification_event", agent_id="guard", text=f"Knock {number}.")
        prompt = server.prompt("guard", (await answered(game, "Who's there?")).turn_id)
        heard = [number for number in range(60) if f"Knock {number}." in prompt]
        assert heard == list(range(10, 60))


async def test_events_join_a_turn_that_awaits_its_state(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url) as game:
        await game.event("guard", "one", event_id="e1")
        await game.expect("get_agent_state", event_id="e1")
        await game.event("guard", "two", event_id="e2", interrupt="queue")
        dropped = await game.fate(await game.event("guard", "three", interrupt="drop"))
        assert dropped.reason == "drop"
        await game.event("guard", "one again", event_id="e1")
        await game.expect("event_dropped", event_id="e1", reason="duplicate")
        # An event with its state answers the open question.
        turn = await answered(game, "four", event_id="e4", state=BRANN)
        assert turn.started["event_ids"] == ["e1", "e2", "e4"]


async def test_a_state_timeout_drops_every_event_of_the_turn(house):
    server = house.play(SCRIPT, state_timeout_ms=300)
    async with StrictGame.connect(server.url) as game:
        events = [await game.event("guard", text) for text in ("one", "two")]
        for event in events:
            assert await game.fate(event) == Dropped("guard", event, "state_timeout")
        assert [error["code"] for error in game.errors] == ["state_timeout"]
        # They may be sent again.
        turn = await answered(game, "one", event_id=events[0], state=BRANN)
        assert turn.started["event_ids"] == [events[0]]


async def test_a_snapshot_for_another_question_spares_none(house):
    server = house.play(SCRIPT, state_timeout_ms=400)
    async with StrictGame.connect(server.url) as game:
        event = await game.event("guard", "Hello")
        await game.expect("get_agent_state", event_id=event)
        await game.send("agent_state_snapshot", agent_id="guard", request_id="other", state=BRANN)
        turn = await game.ended(await game.fate(event))
        assert turn.end["warnings"].get("stale_state") == 1


async def test_sixteen_events_wait(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url) as game:
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech)
        events = [await game.event("guard", f"{n}", interrupt="queue") for n in range(18)]
        for event in events[:2]:
            assert (await game.fate(event)).reason == "overloaded"
        await game.send("cancel_turn", agent_id="guard", turn_id=told.turn_id)
        turn = await game.ended(await game.fate(events[-1]))
        assert turn.started["event_ids"] == events[2:]


async def test_a_result_may_come_while_the_turn_runs(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        turn = await game.fate(await game.event("guard", "soon"))
        await game.until(lambda: turn.speech)
        shown = [{"tag_id": 0, "outcome": "partial", "presented_chars": 2}]
        await game.stored(await game.result(turn, shown))
        assert turn.end is None
        await game.ended(turn)
        prompt = server.prompt("guard", (await answered(game, "Next")).turn_id)
        assert "On" in prompt and "One" not in prompt


@pytest.mark.parametrize("text", ["Snow fell. ", "\\\"\\\\", "\U0001F43A", "ä"])
async def test_long_texts_come_whole_in_frames_of_32_kib(house, text):
    # In one piece, at once.
    long = (json.loads(f'"{text}"') * 60_000)[:60_000]
    model = house.model("rules: [{ reply: %s }]" % json.dumps(f"<speech>{long}</speech>"), rate=0)
    server = house.serve(model)
    async with StrictGame.connect(server.url) as game:
        turn = await answered(game, "Hello", state=BRANN)
        assert turn.speech == long.strip()
        longest = max(len(json.dumps(m, ensure_ascii=False, separators=(",", ":")).encode())
                      for m in game.messages)
        assert longest <= 32 * 1024


async def test_ids_can_be_anything_and_stay_in_their_folder(house):
    server = house.play(SCRIPT)
    odd = ["../../out", "/tmp/out", "a/b", "..", ".", "CON", "wölfin 🐺", "x" * 256, "a\\b", "\n",
           "%2e%2e", "guard ", "GUARD", "guard"]
    before = set(house.folder.parent.rglob("*"))
    for session_id in odd[:4]:
        async with StrictGame.connect(server.url, session_id=session_id) as game:
            assert (await game.expect("welcome"))["session_id"] == session_id
            for agent_id in odd:
                event = await game.event(agent_id, "Hello", event_id=agent_id, state=BRANN)
                turn = await game.ended(await game.fate(event))
                assert (turn.agent_id, turn.speech) == (agent_id, "Yes.")
                await game.stored(await game.result(turn))
    assert server.terminate() == 0
    outside = {path for path in set(house.folder.parent.rglob("*")) - before
               if not path.is_relative_to(house.folder / "logs")}
    own = {"dramatis.db", "dramatis.db-wal", "dramatis.db-shm", "models.json"}
    assert {path.name for path in outside} <= own
    assert not Path("/tmp/out").exists()
    assert "panicked" not in server.log.read_text()


async def test_a_client_that_reads_nothing_is_disconnected(house):
    # Much more than the system's own buffers hold.
    long = "Snow fell on the north gate. " * 12_000
    model = house.model("rules: [{ reply: %s }]" % json.dumps(long), rate=0)
    server = house.serve(model)
    address = urlsplit(server.url)
    plug = socket.create_connection((address.hostname, address.port))
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)
    async with connect(server.url, sock=plug, max_queue=1, compression=None,
                       ping_interval=None) as deaf:
        for number in range(40):
            await deaf.send(json.dumps({"type": "interaction_event", "text": "Hello",
                                        "agent_id": f"agent-{number}", "state": BRANN}))
        # Nobody else suffers.
        async with StrictGame.connect(server.url) as game:
            for _ in range(3):
                await answered(game, "Hello", state=BRANN)
        await asyncio.sleep(4)
        received = 0
        with pytest.raises(ConnectionClosed):
            async with asyncio.timeout(PATIENCE):
                while True:
                    received += len(await deaf.recv())
        assert received < 40 * len(long)
        # The close code stands behind what is unread; whoever takes too long for that misses it.
        assert deaf.close_code in (4008, 1006)


async def test_a_client_that_answers_no_ping_is_dropped(house):
    server = house.play(SCRIPT, ping_timeout_ms=500)
    address = urlsplit(server.url)
    # One that answers may be silent for long.
    async with StrictGame.connect(server.url) as quiet:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        key = base64.b64encode(os.urandom(16)).decode()
        writer.write((f"GET /ws HTTP/1.1\r\nHost: {address.netloc}\r\nUpgrade: websocket\r\n"
                      f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
                      "Sec-WebSocket-Version: 13\r\n\r\n").encode())
        async with asyncio.timeout(10):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"101" in head
            rest = await reader.read()
        assert rest and set(rest[::2]) == {0x89}, f"pings and no close frame, {rest}"
        writer.close()
        assert (await answered(quiet, "Hello", state=BRANN)).speech == "Yes."


async def test_reconnecting_in_a_hurry(house):
    server = house.play(SCRIPT)
    async with contextlib.AsyncExitStack() as stack:
        games = [await stack.enter_async_context(StrictGame.connect(server.url, session_id="s"))
                 for _ in range(10)]
        for game in games[:-1]:
            assert (await game.closed())[0] == 4009
        turn = await answered(games[-1], "Hello", state=BRANN)
        await settled(games[-1], turn)
