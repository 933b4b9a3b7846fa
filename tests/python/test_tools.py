"""Tools of the game's: tags of kind `tool`, native calls, and the follow-up to both."""

from strict import StrictGame

SMITH = {
    "name": "Hilda",
    "tags": [
        {"name": "speech", "kind": "speech"},
        {"name": "check_stock", "kind": "tool", "content": "none",
         "attributes": [{"name": "item", "required": True}]},
    ],
}

BY_TAG = """
rules:
  - when: { tool: check_stock }
    reply: "<speech>A dozen, three coppers apiece.</speech>"
  - when: { text: horseshoes }
    reply: "<speech>Let me look.</speech><check_stock item=\\"horseshoe\\"/>"
  - reply: "<speech>As you say.</speech>"
"""

NATIVE = """
rules:
  - when: { tool: roll }
    reply: "<speech>I rolled {answer}.</speech>"
  - when: { text: dice }
    reply:
      - "<speech>Watch.</speech>"
      - { call: roll, arguments: { sides: 6, lucky: true, charm: "a <bone>", list: [1, 2] } }
"""


async def test_a_tool_by_tag_and_its_follow_up(house):
    server = house.play(BY_TAG)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["smith"] = SMITH
        event = await game.event("smith", "Have you got horseshoes?", event_id="e1", priority=2)
        asked = await game.ended(await game.fate(event))
        speech, call = asked.tags
        assert (call.name, call.kind, call.attributes) == (
            "check_stock", "tool", {"item": "horseshoe"})
        assert call.complete and call.call_id is None
        assert len(game.turns) == 1, "the follow-up waits for the result"

        stored = await game.tool_results(asked, [
            {"tag_id": call.tag_id, "name": "check_stock", "ok": True,
             "output": {"count": 12, "price": 3}}])
        await game.stored(stored)
        started = await game.expect("agent_turn_started", origin="tool_follow_up")
        assert (started["event_id"], started["event_ids"]) == ("e1", [])
        answered = await game.ended(game.turns[started["turn_id"]])
        assert answered.speech == "A dozen, three coppers apiece."
        questions = [m for m in game.messages if m["type"] == "get_agent_state"]
        assert [question["event_id"] for question in questions] == ["e1", "e1"]
        prompt = server.prompt("smith", answered.turn_id)
        assert "12" in prompt and "horseshoes" in prompt


async def test_follow_up_false_leaves_it_at_an_observation(house):
    server = house.play(BY_TAG)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["smith"] = SMITH
        asked = await game.ended(await game.fate(await game.event("smith", "horseshoes?")))
        await game.stored(await game.tool_results(
            asked, [{"tag_id": 1, "ok": False, "output": "the chest is locked"}], follow_up=False))
        later = await game.ended(await game.fate(await game.event("smith", "Well?")))
        assert len(game.turns) == 2 and later.started["origin"] == "llm"
        assert "the chest is locked" in server.prompt("smith", later.turn_id)


async def test_an_event_takes_the_follow_ups_place(house):
    server = house.play(BY_TAG)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["smith"] = SMITH
        asked = await game.ended(await game.fate(await game.event("smith", "horseshoes?")))
        del game.states["smith"]
        await game.tool_results(asked, [{"tag_id": 1, "ok": True, "output": 12}])
        await game.until(lambda: [m["type"] for m in game.messages].count("get_agent_state") == 2)
        event = await game.event("smith", "Hurry up!", state=SMITH)
        turn = await game.ended(await game.fate(event))
        assert turn.started["event_ids"] == [event] and turn.started["origin"] == "llm"
        assert len(game.turns) == 2
        prompt = server.prompt("smith", turn.turn_id)
        assert "12" in prompt and "Hurry up!" in prompt


async def test_results_of_no_call_are_refused(house):
    server = house.play(BY_TAG)
    async with StrictGame.connect(server.url) as game:
        game.states["smith"] = SMITH
        asked = await game.ended(await game.fate(await game.event("smith", "horseshoes?")))
        for results, field in [
            ([{"tag_id": 0, "ok": True, "output": 1}], "results[0].tag_id"),
            ([{"tag_id": 1, "ok": True, "output": 1}, {"tag_id": 9, "ok": True, "output": 1}],
             "results[1].tag_id"),
            ([{"call_id": "nobody", "ok": True, "output": 1}], "results[0].call_id"),
        ]:
            message_id = await game.tool_results(asked, results)
            error = await game.expect("error", in_reply_to=message_id)
            assert (error["code"], error["field"]) == ("bad_message", field)
        assert len(game.turns) == 1, "nothing of a refused message is used"
        await game.tool_results(asked, [{"tag_id": 1, "ok": True, "output": 1}])
        await game.expect("agent_turn_started", origin="tool_follow_up")


async def test_a_native_call_and_its_follow_up(house):
    server = house.play(NATIVE)
    async with StrictGame.connect(server.url, session_id="s") as game:
        game.states["gambler"] = {"name": "Till", "tools": [
            {"name": "roll", "description": "Roll a die.", "parameters": {
                "type": "object", "properties": {"sides": {"type": "integer"}}}}]}
        asked = await game.ended(await game.fate(await game.event("gambler", "A game of dice?")))
        speech, call = asked.tags
        assert (speech.text, call.name, call.kind) == ("Watch.", "roll", "tool")
        assert call.arguments == {"sides": 6, "lucky": True, "charm": "a <bone>", "list": [1, 2]}
        assert call.attributes == {"sides": "6", "lucky": "true", "charm": "a <bone>"}
        assert call.call_id and call.complete
        assert asked.finish_reason == "tool_calls"

        results = [{"call_id": call.call_id, "name": "roll", "ok": True, "output": 5}]
        await game.stored(await game.tool_results(asked, results))
        started = await game.expect("agent_turn_started", origin="tool_follow_up")
        answered = await game.ended(game.turns[started["turn_id"]])
        assert answered.speech == "I rolled 5."
        # A repetition is confirmed once more, and starts nothing.
        await game.stored(await game.tool_results(asked, results))
        assert len(game.turns) == 2
