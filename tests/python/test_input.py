"""Input that is bad, and input that only looks so."""

import asyncio
import contextlib
import json
import time

import pytest
from websockets.exceptions import ConnectionClosed

from client import Game
from strict import StrictGame

SCRIPT = """
rules:
  - reply: "<speech>Yes, {speaker}.</speech>"
"""

BRANN = {"name": "Brann"}


def event(**fields):
    return json.dumps({"type": "interaction_event", "agent_id": "g", **fields})


# What is sent, then code and field of the answer.
BAD = [
    ("", "bad_json", None),
    ("Hello!", "bad_json", None),
    ('{"type":"ping"', "bad_json", None),
    ('{"type":"ping"} {"type":"ping"}', "bad_json", None),
    ('{"type":"ping","nonce":1e99999}', "bad_json", None),
    ('{"type":"ping","nonce":NaN}', "bad_json", None),
    ('{"type":"ping","nonce":' + "[" * 70 + "]" * 70 + "}", "bad_json", None),
    ("[]", "bad_message", None),
    ("null", "bad_message", None),
    ("{}", "bad_message", "type"),
    ('{"type":7}', "bad_message", "type"),
    ('{"type":"interaction_evnt"}', "unknown_type", "type"),
    ('{"type":"welcome"}', "unknown_type", "type"),
    ('{"type":"interaction_event"}', "bad_message", "agent_id"),
    (event(), "bad_message", "text"),
    (event(text=""), "bad_message", "text"),
    (event(text=7), "bad_message", "text"),
    (event(text="x", agent_id=""), "bad_message", "agent_id"),
    (event(text="x", agent_id="x" * 257), "bad_message", "agent_id"),
    (event(text="x", agent_id=7.5), "bad_message", "agent_id"),
    (event(text="x", event_id=True), "bad_message", "event_id"),
    (event(text="x", event_id=1e300), "bad_message", "event_id"),
    (event(text="x", actor={"name": 5}), "bad_message", "actor.name"),
    (event(text="x", actor="Mira"), "bad_message", "actor"),
    (event(text="x", priority=1.5), "bad_message", "priority"),
    (event(text="x", priority=2**31), "bad_message", "priority"),
    (event(text="x", interrupt="later"), "bad_message", "interrupt"),
    (event(text="x", state={}), "bad_message", "state.name"),
    (event(text="x", state={"name": "B", "temperature": 3}), "bad_message", "state.temperature"),
    (event(text="x", state={"name": "B", "tags": [{"kind": "speech"}]}), "bad_message",
     "state.tags[0].name"),
    (event(text="x", state={"name": "B", "tags": [{"name": "a", "kind": "dance"}]}),
     "bad_message", "state.tags[0].kind"),
    (event(payload=[]), "bad_message", "payload"),
    ('{"type":"notification_event","text":"x"}', "bad_message", "agent_ids"),
    ('{"type":"agent_state_snapshot","agent_id":"g"}', "bad_message", "state"),
    ('{"type":"agent_turn_result","agent_id":"g","turn_id":"t"}', "bad_message", "content"),
    ('{"type":"agent_turn_result","agent_id":"g","turn_id":"t","tags":[{"tag_id":0,'
     '"outcome":"good"}]}', "bad_message", "tags[0].outcome"),
    ('{"type":"tool_results","agent_id":"g","turn_id":"t","results":[{"tag_id":0,"output":1}]}',
     "bad_message", "results[0].ok"),
    ('{"type":"tool_results","agent_id":"g","turn_id":"t","results":[{"ok":true,"output":1}]}',
     "bad_message", "results[0].tag_id"),
    ('{"type":"cancel_turn"}', "bad_message", "agent_id"),
    (json.dumps({"type": "ping", "nonce": "x" * 300}), "bad_message", "nonce"),
]


async def test_bad_input_is_answered_and_the_connection_lives(house):
    server = house.play(SCRIPT)
    wrong = []
    async with StrictGame.connect(server.url) as game:
        for number, (text, code, field) in enumerate(BAD):
            await game.socket.send(text)
            await game.send("ping", nonce=number)
            await game.expect("pong", nonce=number)
            answers = [(error["code"], error.get("field")) for error in game.errors]
            if answers != [(code, field)]:
                wrong.append(f"{text[:120]}\n   wanted {code} {field}, got {game.errors}")
            game.errors.clear()
        assert not wrong, "\n".join(wrong)
        turn = await game.ended(await game.fate(await game.event("guard", "Hi", state=BRANN)))
        assert turn.speech == "Yes, stranger."
        assert len(game.turns) == 1


async def test_an_unknown_type_is_answered_with_the_nearest(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url) as game:
        await game.send("interaction_evnt", message_id="m1")
        error = await game.expect("error", in_reply_to="m1")
        assert "interaction_event" in error["message"] and error["retryable"] is False


async def test_an_error_names_what_it_is_about(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url) as game:
        await game.send("interaction_event", agent_id="g", event_id="e1", text="x", priority="x")
        assert (await game.expect("error", in_reply_to="e1"))["agent_id"] == "g"
        for number, kind in enumerate(("cancel_turn", "agent_turn_result", "tool_results")):
            turn_id = f"t{number}"
            await game.send(kind, agent_id="g", turn_id=turn_id, tags=[], results=[])
            error = await game.expect("error", in_reply_to=turn_id)
            assert (error["code"], error["field"]) == ("unknown_turn", "turn_id")
            assert (error["agent_id"], error["turn_id"]) == ("g", turn_id)
        await game.send("agent_state_snapshot", agent_id="g", request_id="r1", state=5)
        await game.expect("error", in_reply_to="r1")
        # A refused event was not accepted: its id is free.
        turn = await game.ended(await game.fate(
            await game.event("g", "x", event_id="e1", state=BRANN)))
        assert turn.started["event_ids"] == ["e1"]


async def test_what_engines_write_is_read(house):
    server = house.play(SCRIPT)
    clumsy = [
        event(text="x", eventId="camel", state=BRANN),
        event(payload={"text": "x", "event_id": "nested"}, state=BRANN),
        event(text="x", event_id=7.0, state=BRANN, actor=None, priority=1.0),
        event(text="x", event_id="raw", state=BRANN).replace('"x"', '"tab\there"'),
        "\ufeff" + event(text="x", event_id="bom", state=BRANN),
        event(text="x", event_id="more", state=BRANN, mood="grim"),
    ]
    async with StrictGame.connect(server.url) as game:
        for text, event_id in zip(clumsy, ["camel", "nested", "7", "raw", "bom", "more"],
                                  strict=True):
            await game.socket.send(text)
            await game.ended(await game.fate(event_id))
        await game.socket.send(event(text="x", event_id="bytes", state=BRANN).encode())
        await game.ended(await game.fate("bytes"))
        assert not game.errors


@pytest.mark.parametrize("length", [2_001, 100_000, 5_000_000])
async def test_a_message_that_is_too_long_ends_the_connection(house, length):
    server = house.play(SCRIPT, max_message_bytes=2000)
    async with StrictGame.connect(server.url) as game:
        assert (await game.expect("welcome"))["limits"]["max_message_bytes"] == 2000
        within = event(text="", event_id="e1", state=BRANN)
        text = "x" * (2000 - len(within))
        await game.socket.send(event(text=text, event_id="e1", state=BRANN))
        await game.ended(await game.fate("e1"))
        # The server may be gone before so much is sent.
        with contextlib.suppress(ConnectionClosed):
            await game.socket.send("x" * length)
        assert (await game.closed())[0] == 1009
        assert game.messages[-1]["code"] == "too_large"


@pytest.mark.parametrize("is_text", [True, False])
async def test_what_isnt_utf8_ends_the_connection(house, is_text):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url) as game:
        await game.socket.send(b'{"type":"ping","nonce":"\xff"}', text=is_text)
        assert (await game.closed())[0] == 1007


@pytest.mark.parametrize("nonce", [0, 1.5, "x", [1, {"a": None}], {"deep": [True]}, False, ""])
async def test_a_nonce_comes_back_unchanged(house, nonce):
    server = house.play(SCRIPT)
    async with Game.connect(server.url, say_hello=False) as game:
        before = int(time.time() * 1000)
        await game.send("ping", nonce=nonce)
        pong = await game.expect("pong")
        assert json.dumps(pong["nonce"]) == json.dumps(nonce)
        assert before - 1000 <= pong["server_time"] <= before + 60_000
        await game.send("ping")
        await game.until(lambda: len(game.messages) == 2)
        assert "nonce" not in game.messages[1]
        async with asyncio.timeout(5):
            await (await game.socket.ping())
