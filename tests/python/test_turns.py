"""Turns, their interruption, and what the agents remember of them."""

from client import Dropped
from strict import StrictGame, settled

BRANN = {"name": "Brann"}

TALE = """
rules:
  - when: { text: king }
    reply:
      - "<speech>The old king was a hard man,"
      - { text: " and he built the wall.</speech><action name=\\"sigh\\"/>", delay_ms: 60000 }
  - when: { text: wolves }
    reply: "<action name=\\"draw_sword\\"/><speech>Inside, girl! Now!</speech>"
  - when: { text: hush }
    reply: "<think>Why?</think>"
  - reply: "<speech>Well met, {speaker}.</speech>"
"""


async def test_a_turn_streams_what_the_model_writes(house):
    script = """
rules:
  - when: { text: in, event: player_spoke }
    reply:
      - "<think>Not her again.</think><speech tone=\\"calm\\">Mira? At this"
      - { text: " hour? Salt &amp; snow!</speech>", delay_ms: 50 }
      - "<action name=\\"open_gate\\"/>"
"""
    server = house.play(script)
    async with StrictGame.connect(server.url, session_id="s", game="Northkeep") as game:
        event = await game.event("guard", "Let me in!", event_type="player_spoke",
                                 actor={"id": "player", "name": "Mira"}, event_id="e1")
        asked = await game.expect("get_agent_state", agent_id="guard", event_id="e1")
        await game.send("agent_state_snapshot", request_id=asked["request_id"], agent_id="guard",
                        state=BRANN)
        turn = await game.ended(await game.fate(event))

        started = turn.started
        assert (started["event_id"], started["event_ids"]) == ("e1", ["e1"])
        assert (started["origin"], started["seq"]) == ("llm", 0)
        speech, action = turn.tags
        assert (speech.name, speech.kind, speech.attributes) == ("speech", "speech", {"tone": "calm"})
        assert speech.text == "Mira? At this hour? Salt & snow!"
        assert (action.kind, action.attributes, action.text) == (
            "action", {"name": "open_gate"}, "")
        assert speech.complete and action.complete
        assert turn.finish_reason == "stop"
        assert {"total", "first_speech"} <= turn.end["timings"].keys()
        assert turn.end["usage"]["output_tokens"] > 0

        kinds = [m["type"].removeprefix("agent_") for m in game.messages if "seq" in m]
        assert [kind for kind in kinds if kind != "tag_chunk"] == [
            "turn_started", "tag_open", "tag_close", "tag_open", "tag_close", "turn_finished"]
        await game.stored(await game.result(turn))
        prompt = server.prompt("guard", turn.turn_id)
        assert "Let me in!" in prompt and "Mira" in prompt and "player_spoke" in prompt


async def test_an_interrupted_agent_remembers_what_was_shown(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        # The first half doesn't wait for the second, which is a minute away.
        await game.until(lambda: told.speech == "The old king was a hard man,")
        # From here on the state is sent by hand, behind the result.
        del game.states["guard"]
        warned = await game.event("guard", "Wolves!", event_id="e2")
        await game.ended(told)
        assert (told.interrupted_by, told.end["by_event_id"]) == ("newer_event", "e2")
        assert [tag.complete for tag in told.tags] == [False]

        asked = await game.expect("get_agent_state", event_id="e2")
        shown = [{"tag_id": 0, "outcome": "partial", "presented_chars": len("The old king")}]
        result = await game.result(told, shown)
        await game.send("agent_state_snapshot", request_id=asked["request_id"], agent_id="guard",
                        state=BRANN)
        await game.stored(result)
        fled = await game.ended(await game.fate(warned))
        assert fled.speech == "Inside, girl! Now!"

        prompt = server.prompt("guard", fled.turn_id)
        assert "The old king" in prompt
        assert "hard man" not in prompt
        assert prompt.index("The old king") < prompt.index("Wolves!")


async def test_without_a_result_an_interrupted_turn_counts_as_sent(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech.endswith("hard man,"))
        fled = await game.ended(await game.fate(await game.event("guard", "Wolves!")))
        prompt = server.prompt("guard", fled.turn_id)
        assert "The old king was a hard man," in prompt
        assert "built the wall" not in prompt


async def test_a_late_result_wins_and_the_last_one_counts(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        met = await game.ended(await game.fate(await game.event("guard", "Hello")))
        fled = await game.ended(await game.fate(await game.event("guard", "Wolves!")))
        assert "Well met" in server.prompt("guard", fled.turn_id)
        await game.result(met, content="<speech>Be gone.</speech>")
        await game.stored(await game.result(met, content="<speech>Be welcome.</speech>"))
        await game.stored(await game.result(
            fled, [{"tag_id": 0, "outcome": "failed", "detail": "the sword is stuck"}]))
        later = await game.ended(await game.fate(await game.event("guard", "And now?")))
        prompt = server.prompt("guard", later.turn_id)
        assert "Be welcome." in prompt
        assert "Well met" not in prompt and "Be gone" not in prompt
        assert "the sword is stuck" in prompt
        assert "Inside, girl" not in prompt, "a tag that isn't listed counts as skipped"


async def test_presented_chars_counts_code_points(house):
    server = house.play("""
rules:
  - when: { turn: 1 }
    reply: "<speech>Grüße, 🐺 Wölfin!</speech>"
  - reply: "<speech>Ja.</speech>"
""")
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        first = await game.ended(await game.fate(await game.event("guard", "Hallo")))
        shown = {"tag_id": 0, "outcome": "partial", "presented_chars": len("Grüße, 🐺 Wö")}
        await game.stored(await game.result(first, [shown]))
        second = await game.ended(await game.fate(await game.event("guard", "Und?")))
        prompt = server.prompt("guard", second.turn_id)
        assert "Grüße, 🐺 Wö" in prompt and "lfin" not in prompt


async def test_a_result_for_a_tag_that_isnt_there_is_refused_as_a_whole(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        met = await game.ended(await game.fate(await game.event("guard", "Hello")))
        wrong = [{"tag_id": 0, "outcome": "skipped"}, {"tag_id": 7, "outcome": "done"}]
        message_id = await game.result(met, wrong)
        error = await game.expect("error", in_reply_to=message_id)
        assert (error["code"], error["field"]) == ("bad_message", "tags[1].tag_id")
        assert (error["agent_id"], error["turn_id"]) == ("guard", met.turn_id)
        later = await game.ended(await game.fate(await game.event("guard", "Again")))
        assert "Well met" in server.prompt("guard", later.turn_id)


async def test_a_notification_is_remembered_and_starts_no_turn(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states |= {"guard": BRANN, "cook": {"name": "Olga"}}
        await game.send("notification_event", agent_id="cook", agent_ids=["guard"],
                        text="The bell rings twice.", event_type="bell",
                        data={"tower": "north"})
        turns = [await game.ended(await game.fate(await game.event(agent, "Hello")))
                 for agent in ("guard", "cook")]
        assert len(game.turns) == 2
        for turn in turns:
            prompt = server.prompt(turn.agent_id, turn.turn_id)
            assert "The bell rings twice." in prompt and "north" in prompt
            assert prompt.index("bell rings") < prompt.index("Hello")


async def test_events_that_wait_are_answered_by_one_turn(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech)
        low = await game.event("guard", "low", interrupt="queue", event_id="low")
        high = await game.event("guard", "high", interrupt="queue", event_id="high", priority=5)
        now = await game.event("guard", "now!", event_id="now")
        turn = await game.ended(await game.fate(now))
        assert turn.started["event_ids"] == ["high", "low", "now"]
        assert game.fate_of(low) is turn and game.fate_of(high) is turn
        assert told.interrupted_by == "newer_event"


async def test_a_speaking_agent_lets_events_wait_until_its_result(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        met = await game.ended(await game.fate(await game.event("guard", "Hello")))
        dropped = await game.fate(await game.event("guard", "Psst", interrupt="drop"))
        assert isinstance(dropped, Dropped) and dropped.reason == "drop"
        waiting = await game.event("guard", "And then?", interrupt="queue")
        await settled(game, met)
        assert game.fate_of(waiting) is None
        await game.stored(await game.result(met))
        turn = await game.ended(await game.fate(waiting))
        await game.result(turn)
        idle = await game.ended(await game.fate(await game.event("guard", "Hm", interrupt="drop")))
        assert idle.finish_reason == "stop"
        assert not game.errors, "drop comes without an error"


async def test_a_running_turn_drops_and_queues(house):
    server = house.play(TALE, max_waiting=2)
    async with StrictGame.connect(server.url, session_id="s") as game:
        assert (await game.expect("welcome"))["limits"]["max_waiting"] == 2
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king.", priority=3))
        await game.until(lambda: told.speech)
        dropped = await game.fate(await game.event("guard", "Psst", interrupt="drop"))
        assert dropped.reason == "drop"
        # Not even `now` cuts a turn of higher priority.
        kept = [await game.event("guard", text, event_id=text, priority=priority)
                for text, priority in (("one", 1), ("two", 0))]
        await game.event("guard", "three", event_id="three", interrupt="queue")
        overloaded = await game.fate(kept[1])
        assert (overloaded.event_id, overloaded.reason) == ("two", "overloaded")
        assert told.end is None
        await game.send("cancel_turn", agent_id="guard", turn_id=told.turn_id)
        turn = await game.ended(await game.fate(kept[0]))
        assert turn.started["event_ids"] == ["one", "three"]
        assert not game.errors


async def test_an_event_id_counts_once_for_each_agent(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states |= {"guard": BRANN, "cook": {"name": "Olga"}}
        turn = await game.ended(await game.fate(await game.event("guard", "Hi", event_id="e1")))
        await game.event("guard", "Hi", event_id="e1")
        await game.expect("event_dropped", agent_id="guard", event_id="e1", reason="duplicate")
        await game.event("cook", "Hi", event_id="e1")
        await game.expect("agent_turn_started", agent_id="cook", event_id="e1")
        assert [t.turn_id for t in game.turns.values() if t.agent_id == "guard"] == [turn.turn_id]


async def test_cancel_turn_stops_and_drops_what_waits(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["guard"] = BRANN
        told = await game.fate(await game.event("guard", "Tell me of the king."))
        await game.until(lambda: told.speech)
        waiting = await game.event("guard", "And?", interrupt="queue")
        await game.send("cancel_turn", agent_id="guard", reason="the player left")
        await game.ended(told)
        assert told.interrupted_by == "cancelled" and "by_event_id" not in told.end
        assert (await game.fate(waiting)).reason == "cancelled"

        # Harmless for an idle agent, and for a turn that has ended.
        await game.send("cancel_turn", agent_id="guard")
        await game.send("cancel_turn", agent_id="guard", turn_id=told.turn_id)
        await game.send("cancel_turn", agent_id="guard", turn_id="t99", message_id="m1")
        error = await game.expect("error")
        assert (error["code"], error["in_reply_to"]) == ("unknown_turn", "m1")
        turn = await game.ended(await game.fate(await game.event("guard", "Hello")))
        assert turn.speech == "Well met, stranger."


async def test_cancel_turn_gives_up_a_turn_being_prepared(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url) as game:
        event = await game.event("guard", "Hello")
        asked = await game.expect("get_agent_state", event_id=event)
        await game.send("cancel_turn", agent_id="guard")
        assert (await game.fate(event)).reason == "cancelled"
        await game.send("agent_state_snapshot", request_id=asked["request_id"], agent_id="guard",
                        state=BRANN)
        game.states["guard"] = BRANN
        turn = await game.ended(await game.fate(await game.event("guard", "Hello again")))
        assert len(game.turns) == 1 and turn.finish_reason == "stop"


async def test_a_state_in_the_event_spares_the_question(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url) as game:
        turn = await game.ended(await game.fate(await game.event("guard", "Hello", state=BRANN)))
        assert turn.finish_reason == "stop"
        assert not [m for m in game.messages if m["type"] == "get_agent_state"]


async def test_state_timeout_with_and_without_a_known_state(house):
    server = house.play(TALE, state_timeout_ms=200)
    async with StrictGame.connect(server.url, session_id="s") as game:
        unknown = await game.fate(await game.event("guard", "Anyone there?", event_id="e1"))
        assert unknown == Dropped("guard", "e1", "state_timeout")
        error, = game.errors
        assert (error["code"], error["agent_id"], error["retryable"]) == (
            "state_timeout", "guard", True)

        # The answer that came too late is the last known state.
        await game.send("agent_state_snapshot", agent_id="guard",
                        state=BRANN | {"dossier": {"Who you are": "Guard of the north gate."}})
        turn = await game.ended(await game.fate(await game.event("guard", "Hello?")))
        assert turn.finish_reason == "stop"
        assert turn.end["warnings"].get("stale_state") == 1
        assert "north gate" in server.whole_prompt("guard", turn.turn_id)
        assert "Anyone there?" in server.prompt("guard", turn.turn_id), "it stays in the history"
        assert len(game.errors) == 1


async def test_a_wrong_snapshot_leaves_the_question_open(house):
    server = house.play(TALE)
    async with StrictGame.connect(server.url) as game:
        event = await game.event("guard", "Hello")
        asked = await game.expect("get_agent_state", event_id=event)
        answer = {"request_id": asked["request_id"], "agent_id": "guard"}
        await game.send("agent_state_snapshot", **answer,
                        state=BRANN | {"tags": [{"name": "speech"}, {"name": "2 words"}]})
        error = await game.expect("error")
        assert (error["code"], error["field"]) == ("bad_message", "state.tags[1].name")
        assert error["in_reply_to"] == asked["request_id"]
        await game.send("agent_state_snapshot", **answer, state=BRANN)
        turn = await game.ended(await game.fate(event))
        assert turn.finish_reason == "stop" and "stale_state" not in turn.end["warnings"]


async def test_a_tag_that_isnt_interruptible_is_finished_first(house):
    server = house.play("""
rules:
  - when: { turn: 1 }
    reply:
      - "<oath>I swear"
      - { text: " by the old gods.</oath><speech>And now", delay_ms: 400 }
      - { text: " to supper.</speech>", delay_ms: 60000 }
  - reply: "<speech>Yes?</speech>"
""")
    async with StrictGame.connect(server.url) as game:
        game.states["guard"] = BRANN | {"tags": [
            {"name": "speech", "kind": "speech"},
            {"name": "oath", "kind": "speech", "interruptible": False}]}
        swore = await game.fate(await game.event("guard", "Swear!"))
        await game.until(lambda: swore.speech)
        newer = await game.event("guard", "Wait!")
        await game.ended(swore)
        assert swore.tags[0].text == "I swear by the old gods." and swore.tags[0].complete
        assert swore.interrupted_by == "newer_event"
        assert (await game.ended(await game.fate(newer))).speech == "Yes?"
