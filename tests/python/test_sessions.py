"""Play sessions: what goes on after a reconnect, a crash, a shutdown, and who may go on with it."""

import pytest

from client import Disconnected, Game, Turn
from strict import StrictGame

BRANN = {"name": "Brann"}

SCRIPT = """
rules:
  - when: { text: king }
    reply:
      - "<speech>The old king was a hard man,"
      - { text: " and he built the wall.</speech>", delay_ms: 60000 }
  - when: { text: "my name" }
    reply: "<speech>I shall keep that in mind.</speech>"
  - when: { tool: look }
    reply: "<speech>I see.</speech>"
  - when: { text: look }
    reply: "<look/>"
  - reply: "<speech>Yes.</speech>"
"""


async def answered(game: Game, text: str, agent_id: str = "guard") -> Turn:
    """A turn from its event to its end."""
    game.states.setdefault(agent_id, BRANN)
    return await game.ended(await game.fate(await game.event(agent_id, text)))


async def test_history_goes_on_after_a_reconnect(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        first = await answered(game, "my name is Mira")
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        assert (await game.expect("welcome"))["session_id"] == "save-1"
        second = await answered(game, "Do you know me?")
        prompt = server.prompt("guard", second.turn_id)
        assert "my name is Mira" in prompt and "I shall keep that in mind." in prompt
        # A result that couldn't be delivered before.
        await game.stored(await game.result(first, content="<speech>Never heard.</speech>"))
        third = await answered(game, "And now?")
        prompt = server.prompt("guard", third.turn_id)
        assert "Never heard." in prompt and "keep that in mind" not in prompt


async def test_an_event_id_stays_used_after_a_reconnect(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        await game.ended(await game.fate(
            await game.event("guard", "Hello", event_id="e1", state=BRANN)))
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        await game.event("guard", "Hello", event_id="e1", state=BRANN)
        await game.expect("event_dropped", event_id="e1", reason="duplicate")


async def test_sessions_and_connections_without_one_know_nothing_of_each_other(house):
    server = house.play(SCRIPT)
    sessions = [{"session_id": "save-1"}, {"session_id": "save-2"}, {}, {}]
    for hello in sessions:
        async with StrictGame.connect(server.url, **hello) as game:
            turn = await answered(game, "my name is Mira")
            assert server.prompt("guard", turn.turn_id).count("my name is Mira") == 1


async def test_a_lost_connection_ends_the_turn(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech.endswith("hard man,"))
        game.socket.transport.abort()
        with pytest.raises(Disconnected):
            await game.ended(told)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        turn = await answered(game, "Go on.")
        prompt = server.prompt("guard", turn.turn_id)
        assert "The old king was a hard man," in prompt and "built the wall" not in prompt
        shown = [{"tag_id": 0, "outcome": "partial", "presented_chars": 8}]
        await game.stored(await game.result(told, shown))
        later = await answered(game, "And?")
        prompt = server.prompt("guard", later.turn_id)
        assert "The old" in prompt and "hard man" not in prompt


async def test_what_was_stored_survives_a_kill(house):
    model = house.model(SCRIPT)
    server = house.serve(model)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        game.states["smith"] = {"name": "Hilda", "tags": [
            {"name": "speech", "kind": "speech"},
            {"name": "look", "kind": "tool", "content": "none"}]}
        looked = await answered(game, "look into the chest", "smith")
        results = [{"tag_id": 0, "ok": True, "output": "seven rubies"}]
        stored = [await game.tool_results(looked, results, follow_up=False)]
        for number in range(10):
            turn = await answered(game, f"my name is Mira the {number}.")
            stored.append(await game.result(turn, content=f"<speech>Greetings, {number}.</speech>"))
        for message_id in stored:
            await game.stored(message_id)
        server.kill()
        assert (await game.closed())[0] in (None, 1006)

    server = house.serve(model)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        prompt = server.prompt("guard", (await answered(game, "Who am I?")).turn_id)
        for number in range(10):
            assert f"Mira the {number}." in prompt and f"Greetings, {number}." in prompt
        prompt = server.prompt("smith", (await answered(game, "What was in it?", "smith")).turn_id)
        assert "seven rubies" in prompt
        await game.stored(await game.result(turn, content="<speech>Late greetings.</speech>"))
        prompt = server.prompt("guard", (await answered(game, "Well?")).turn_id)
        assert "Late greetings." in prompt and "Greetings, 9." not in prompt


async def test_a_shutdown_ends_turns_and_says_goodbye(house):
    model = house.model(SCRIPT)
    server = house.serve(model)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        game.states["guard"] = BRANN
        await answered(game, "my name is Mira", "cook")
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech.endswith("hard man,"))
        waiting = await game.event("guard", "And then?", interrupt="queue")
        unanswered = await game.event("nobody", "Hello?")
        await game.expect("get_agent_state", event_id=unanswered)
        assert server.terminate() == 0
        await game.ended(told)
        assert told.interrupted_by == "shutdown" and told.tags[0].complete is False
        assert (await game.fate(waiting)).reason == "shutdown"
        assert (await game.fate(unanswered)).reason == "shutdown"
        assert (await game.closed())[0] == 1001
    server = house.serve(model)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        prompt = server.prompt("guard", (await answered(game, "Go on")).turn_id)
        assert "The old king was a hard man," in prompt
        prompt = server.prompt("cook", (await answered(game, "Go on", "cook")).turn_id)
        assert "my name is Mira" in prompt


async def test_a_second_connection_takes_the_session_over(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="save-1") as older:
        older.states["guard"] = BRANN
        told = await older.fate(await older.event("guard", "Tell me of the king."))
        await older.until(lambda: told.speech.endswith("hard man,"))
        waiting = await older.event("guard", "And then?", interrupt="queue")
        await older.send("ping")
        await older.expect("pong")
        async with StrictGame.connect(server.url, session_id="save-1") as newer:
            assert (await older.closed())[0] == 4009
            assert told.interrupted_by == "disconnected"
            assert older.fate_of(waiting).reason == "disconnected"
            assert older.messages[-1]["code"] == "session_taken"
            turn = await answered(newer, "Go on.")
            assert "hard man," in server.prompt("guard", turn.turn_id)


async def test_hello_comes_once_and_first(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="save-1") as game:
        await game.send("hello", session_id="save-2", message_id="again")
        assert (await game.expect("error", in_reply_to="again"))["code"] == "bad_message"
        await answered(game, "Hello")
    async with StrictGame.connect(server.url, say_hello=False) as game:
        await answered(game, "Hello")
        await game.send("hello", session_id="save-2", message_id="late")
        assert (await game.expect("error", in_reply_to="late"))["code"] == "bad_message"
        await answered(game, "Hello again")
    async with StrictGame.connect(server.url, say_hello=False) as game:
        await game.send("hello", protocol="2", message_id="future")
        error = await game.expect("error", in_reply_to="future")
        assert (error["code"], error["field"]) == ("bad_message", "protocol")
        await game.expect("welcome", protocol="1")


async def test_a_save_game_is_taken_up_where_it_was(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="slot-1") as game:
        saved = await answered(game, "my name is Mira")
        await answered(game, "I am a thief")
        await answered(game, "I was never there", "cook")
    async with StrictGame.connect(server.url, session_id="slot-2", fork_of="slot-1",
                                  resume_after={"guard": saved.turn_id}) as game:
        prompt = server.prompt("guard", (await answered(game, "Who am I?")).turn_id)
        assert "my name is Mira" in prompt and "I am a thief" not in prompt
        prompt = server.prompt("cook", (await answered(game, "Well?", "cook")).turn_id)
        assert "I was never there" in prompt, "an agent that isn't named stays whole"
        await game.stored(await game.result(saved, content="<speech>Only here.</speech>"))
    async with StrictGame.connect(server.url, session_id="slot-1") as game:
        prompt = server.prompt("guard", (await answered(game, "Who am I?")).turn_id)
        assert "I am a thief" in prompt and "Only here." not in prompt


async def test_resuming_sets_aside_for_good_what_came_later(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="slot-1") as game:
        saved = await answered(game, "my name is Mira")
        await answered(game, "I am a thief")
    for _ in range(2):
        async with StrictGame.connect(server.url, session_id="slot-1",
                                      resume_after={"guard": saved.turn_id}) as game:
            prompt = server.prompt("guard", (await answered(game, "Who am I?")).turn_id)
            assert "my name is Mira" in prompt and "I am a thief" not in prompt
            assert prompt.count("Who am I?") == 1


async def test_a_save_game_that_isnt_there(house):
    server = house.play(SCRIPT)
    async with StrictGame.connect(server.url, session_id="slot-1") as game:
        await answered(game, "my name is Mira")
    async with StrictGame.connect(server.url, session_id="slot-1", message_id="m1",
                                  resume_after={"guard": "nowhere"}) as game:
        error = await game.expect("error")
        assert (error["code"], error["in_reply_to"]) == ("unknown_turn", "m1")
        turn = await answered(game, "Who am I?")
        assert "my name is Mira" in server.prompt("guard", turn.turn_id), "served without that step"
    for session_id, fork_of, field in (("slot-9", "slot-8", "fork_of"),
                                       ("slot-1", "slot-1", "session_id")):
        async with StrictGame.connect(server.url, say_hello=False) as game:
            await game.send("hello", session_id=session_id, fork_of=fork_of)
            error = await game.expect("error")
            assert (error["code"], error["field"]) == ("bad_message", field)
            # Another hello may do better.
            await game.send("hello", session_id="slot-1")
            await game.expect("welcome", session_id="slot-1")
            assert game.messages.index(error) == 0
            turn = await answered(game, "Hello")
            assert "my name is Mira" in server.prompt("guard", turn.turn_id)
