"""Many agents at once, and models that fail."""

import asyncio
import socket
import time

import pytest

from strict import StrictGame, settled

SLOW = """
rules:
  - when: { text: king }
    reply:
      - "<speech>The old king"
      - { text: " is long dead.</speech>", delay_ms: 60000 }
  - when: { text: slow }
    reply:
      - "<speech>I am"
      - { text: " {agent}.</speech>", delay_ms: 300 }
  - reply: "<speech>Quick as a fox.</speech>"
"""


async def test_two_agents_dont_wait_for_each_other(house):
    server = house.play(SLOW)
    async with StrictGame.connect(server.url) as game:
        game.states |= {"guard": {"name": "Brann"}, "fox": {"name": "Fox"}}
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech)
        fox = await game.ended(await game.fate(await game.event("fox", "Hello")))
        assert fox.speech == "Quick as a fox."
        assert told.end is None
        # Nor for one whose state doesn't come.
        await game.event("nobody", "Hello")
        await game.ended(await game.fate(await game.event("fox", "Hello again")))
        await game.send("cancel_turn", agent_id="guard")
        await game.ended(told)


async def test_twenty_agents_speak_side_by_side(house):
    server = house.play(SLOW)
    async with StrictGame.connect(server.url, session_id="s") as game:
        names = [f"agent-{number}" for number in range(20)]
        game.states |= {name: {"name": name.title()} for name in names}
        began = time.monotonic()
        events = {name: await game.event(name, "slow") for name in names}
        turns = {name: await game.fate(event) for name, event in events.items()}
        for name, turn in turns.items():
            await game.ended(turn)
            assert (turn.agent_id, turn.speech) == (name, f"I am {name}.")
            await game.stored(await game.result(turn))
        # One after the other they would take six seconds.
        assert time.monotonic() - began < 4
        assert len(game.turns) == 20 and not game.errors and not game.dropped


async def test_one_agent_too_many(house):
    server = house.play(SLOW, max_agents=2)
    async with StrictGame.connect(server.url) as game:
        for name in ("a", "b"):
            event = await game.event(name, "Hello", state={"name": name})
            await game.ended(await game.fate(event))
        await game.send("interaction_event", agent_id="c", event_id="e1", text="Hello")
        error = await game.expect("error")
        assert (error["code"], error["in_reply_to"], error["retryable"]) == (
            "overloaded", "e1", True)


async def fails_once(game: StrictGame) -> dict:
    """Plays a turn that fails, and gives its error."""
    turn = await game.ended(await game.fate(
        await game.event("guard", "Hello", state={"name": "Brann"})))
    # Nothing follows, and the connection lives.
    await settled(game, turn)
    error, = game.errors
    game.errors.clear()
    assert (error["agent_id"], error["turn_id"]) == ("guard", turn.turn_id)
    assert game.messages.index(error) < game.messages.index(turn.end)
    return error | {"reason": turn.interrupted_by, "shown": turn.speech}


async def test_a_provider_that_is_down(house):
    # Taken, but nobody listens there.
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = house.serve(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        async with StrictGame.connect(server.url) as game:
            for _ in range(2):
                error = await fails_once(game)
                assert (error["code"], error["reason"]) == ("provider_error", "provider_error")
                assert error["retryable"] is True


@pytest.mark.parametrize(("fault", "code", "reason"), [
    ("401", "provider_auth", "provider_error"),
    ("403-moderation", "provider_refused", "provider_error"),
    ("429:0", "provider_rate_limited", "provider_error"),
    ("503", "provider_error", "provider_error"),
    ("html", "provider_error", "provider_error"),
    ("stall-after-connect", "provider_error", "timeout"),
    ("stall-midway", "provider_error", "timeout"),
    ("error-in-stream", "provider_error", "provider_error"),
    ("reset", "provider_error", "provider_error"),
])
async def test_a_provider_that_fails(house, fault, code, reason):
    model = house.model(SLOW, f"--fault={fault}*4")
    server = house.serve(model, first_token_timeout_ms=1500, silence_timeout_ms=700)
    async with StrictGame.connect(server.url) as game:
        error = await fails_once(game)
        assert (error["code"], error["reason"]) == (code, reason)


async def test_a_provider_that_fails_once_is_asked_again(house):
    model = house.model(SLOW, "--fault=503*1")
    server = house.serve(model)
    async with StrictGame.connect(server.url) as game:
        turn = await game.ended(await game.fate(
            await game.event("guard", "Hello", state={"name": "Brann"})))
        assert turn.speech == "Quick as a fox." and not game.errors


async def test_a_slow_reader_loses_nothing(house):
    text = "Snow fell on the north gate. " * 400
    server = house.play(f"rules: [{{ reply: \"<speech>{text}</speech>\" }}]")
    async with StrictGame.connect(server.url) as game:
        events = [await game.event(f"agent-{n}", "Hello", state={"name": "Brann"})
                  for n in range(8)]
        # Reads nothing while the models write.
        await asyncio.to_thread(time.sleep, 0)
        time.sleep(1.0)
        for event in events:
            turn = await game.ended(await game.fate(event))
            assert turn.speech == text.strip()
