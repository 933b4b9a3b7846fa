"""Games in a real Godot against a real server: what the player sees, what the server remembers, and
what the game reports of it."""

import json

import pytest

from godot import OUT_OF_TIME

SCRIPT = r"""
rules:
  - when: { tool: check_stock }
    reply: "<speech>A dozen, three coppers apiece.</speech>"
  - when: { tool: light_forge }
    reply: "<speech>No fire today.</speech>"
  - when: { tool: taste }
    reply: "<speech>Too salty.</speech>"
  - when: { text: horseshoes }
    reply: "<speech>Let me look.</speech><check_stock item=\"horseshoe\"/>"
  - when: { text: forge }
    reply: "<light_forge/>"
  - when: { text: king, agent: marta }
    reply: "<taste/>"
  - when: { text: king, agent: odo }
    reply: "<speech>I know no king.</speech>"
  - when: { text: king }
    reply:
      - "<emotion name=\"proud\"/><speech>The old king was a hard man, "
      - { text: "and Grüße, 🐺 wolves feared him. ", delay_ms: 300 }
      - { text: "He built the wall.</speech><action name=\"sigh\">deeply</action>", delay_ms: PAUSE }
  - when: { text: queen }
    reply: "<speech>The queen was kind, and her hall was warm, and nobody ever went hungry.</speech>"
  - when: { text: wolves }
    reply: "<action name=\"draw_sword\"/><speech>Inside, girl! Now!</speech>"
  - when: { text: everything }
    reply: "<speech>LONG</speech><speech>That was all.</speech>"
  - when: { text: morning }
    reply: "<speech>I am {name}, and it is a fine morning.</speech>"
  - when: { event: knock }
    reply:
      - "<think>Not her again.</think><speech tone=\"calm\">Mira? At this"
      - { text: " hour? Salt &amp; snow!</speech>", delay_ms: 50 }
      - "<action name=\"open_gate\"/>"
  - reply: "<speech>As you say, {speaker}.</speech>"
"""

# 200 KB, with a word at each end to know it by.
LONG = "First " + "and then the winter came, " * 8000 + "last."


def script(pause: int = 700, long: str = "long") -> str:
    """What the characters say; `pause`: milliseconds before the king's wall."""
    return SCRIPT.replace("PAUSE", str(pause)).replace("LONG", long)


def speeches(scene, agent: str | None = None) -> list[str]:
    """What was said in turns that finished."""
    return [turn["speech"] for turn in scene.told("finished")
            if agent is None or turn["agent"] == agent]


def reports(scene) -> list[dict]:
    return [message for message in scene.told("sent") if message["type"] == "agent_turn_result"]


def test_a_turn_is_shown_reported_and_remembered(house, play):
    server = house.play(script())
    scene = play("turn", server.url).finished()

    assert scene.told("limits")[0]["max_message_bytes"] == 1 << 20
    first, second = scene.told("finished")
    speech, action = first["tags"]
    assert (speech["kind"], speech["attributes"], speech["text"]) == (
        "speech", {"tone": "calm"}, "Mira? At this hour? Salt & snow!")
    assert (action["kind"], action["attributes"], action["text"]) == (
        "action", {"name": "open_gate"}, "")
    assert speech["complete"] and action["complete"]
    assert first["origin"] == "llm" and first["reason"] == "stop"
    assert {"total", "first_speech"} <= first["timings"].keys()
    assert scene.told("label")[0] == {"turn": first["turn"], "text": speech["text"]}
    assert second["speech"] == "As you say, Mira."

    done = {"outcome": "done"}
    assert reports(scene)[0]["tags"] == [
        done | {"tag_id": 0, "presented_chars": len(speech["text"])}, done | {"tag_id": 1}]
    whole = server.whole_prompt("guard", first["turn"])
    for part in ["Brann", "You guard the north gate.", "Night, snow.", "Let me in!", "knock", "gate"]:
        assert part in whole
    prompt = server.prompt("guard", second["turn"])
    for part in ["Let me in!", "Mira? At this hour?", "It has begun to snow.", "Thank you."]:
        assert part in prompt


def test_signals_come_in_the_order_of_the_stream(house, play):
    server = house.play(script())
    scene = play("order", server.url).finished()

    kinds = ("started", "opened", "text", "closed", "finished")
    seen = [(finding["told"], finding["facts"].get("name")) for finding in scene.findings
            if finding["told"] in kinds]
    merged = [step for number, step in enumerate(seen) if step not in seen[number - 1:number]]
    assert merged == [
        ("started", None), ("opened", "emotion"), ("closed", "emotion"), ("opened", "speech"),
        ("text", "speech"), ("closed", "speech"), ("opened", "action"), ("text", "action"),
        ("closed", "action"), ("finished", None)]
    texts = scene.told("text")
    assert all(text["is_at_end"] for text in texts)
    said = "".join(text["text"] for text in texts if text["name"] == "speech")
    assert said == "The old king was a hard man, and Grüße, 🐺 wolves feared him. He built the wall."
    assert said == speeches(scene)[0]
    # What comes first is told before the rest has been written.
    times = [finding["ms"] for finding in scene.findings if finding["told"] == "text"]
    assert times[-1] - times[0] > 600
    assert [tag["parent"] for tag in scene.told("opened")] == [-1, -1, -1]


def test_who_is_talked_over_remembers_what_could_be_read(house, play):
    server = house.play(script(pause=60_000))
    scene = play("interruption", server.url).finished()

    # First while the model writes, then while the player reads what has all been written.
    during, after = [report for report in reports(scene) if report["tags"][-1]["outcome"] == "partial"]
    labels = {label["turn"]: label["text"] for label in scene.told("label")}
    king = "The old king was a hard man, and Grüße, 🐺 wolves feared him."
    queen = "The queen was kind, and her hall was warm, and nobody ever went hungry."
    for whole, report, turn in [(king, during, 0), (queen, after, 2)]:
        shown = report["tags"][-1]["presented_chars"]
        read = whole[:shown]
        assert 20 < shown < len(whole)
        assert labels[report["turn_id"]] == read, "the report counts what stands on the label"
        answer = scene.told("finished")[{0: 0, 2: 2}[turn]]
        prompt = server.prompt("guard", answer["turn"])
        assert read.strip() in prompt
        assert whole[:shown + 8] not in prompt
        assert answer["speech"] == "Inside, girl! Now!"
    assert [cut["reason"] for cut in scene.told("interrupted")] == ["newer_event"]
    assert during["tags"][0] == {"tag_id": 0, "outcome": "done"}


def test_tools_are_called_and_spoken_to(house, play):
    server = house.play(script())
    scene = play("tool", server.url).finished()

    assert scene.told("called") == [{"tool": "check_stock", "arguments": {"item": "horseshoe"}}]
    origins = [turn["origin"] for turn in scene.told("finished")]
    assert origins == ["llm", "tool_follow_up"] * 2
    asked, answered, lit, failed = scene.told("finished")
    assert (asked["speech"], answered["speech"]) == (
        "Let me look.", "A dozen, three coppers apiece.")
    results = [message["results"][0] for message in scene.told("sent")
               if message["type"] == "tool_results"]
    assert [(result["ok"], result["output"]) for result in results] == [
        (True, {"count": 12, "price": 3}), (False, "the coal is wet")]
    outcomes = {report["turn_id"]: [tag["outcome"] for tag in report["tags"]]
                for report in reports(scene)}
    assert outcomes[asked["turn"]] == ["done", "done"]
    assert outcomes[lit["turn"]] == ["failed"]
    assert "12" in server.prompt("smith", answered["turn"])
    assert "the coal is wet" in server.prompt("smith", failed["turn"])


def test_a_character_remembers_over_a_reconnect(house, play):
    server = house.play(script())
    scene = play("history", server.url).finished()

    assert [state["state"] for state in scene.told("state")] == [
        "ONLINE", "OFFLINE", "CONNECTING", "ONLINE"]
    sessions = {hello["session_id"] for hello in scene.told("sent") if hello["type"] == "hello"}
    assert len(sessions) == 1
    prompt = server.prompt("guard", scene.told("finished")[1]["turn"])
    assert "My name is Mira." in prompt and "As you say, Mira." in prompt


def test_a_killed_server_comes_back_and_everything_goes_on(house, play):
    model = house.model(script(pause=60_000))
    server = house.serve(model)
    scene = play("restart", server.url)
    scene.until("moment")
    server.kill()
    scene.until("waits")
    again = house.serve(model, port=server.url.split(":")[2].split("/")[0])
    scene.finished()

    cut = scene.told("interrupted")
    assert [turn["reason"] for turn in cut] == ["disconnected"]
    assert scene.told("disconnected")[0]["code"] == -1
    assert scene.told("waits") == [{"busy": True}]
    # The report of the turn that broke off reaches the server that came back.
    told = next(report for report in reports(scene) if report["turn_id"] == cut[0]["turn"])
    shown = told["tags"][1]["presented_chars"]
    assert scene.told("cut") == [{"text": cut[0]["speech"][:shown]}]
    hello, answer = speeches(scene)
    assert hello.startswith("As you say") and answer.startswith("As you say")
    prompt = again.prompt("guard", scene.told("finished")[1]["turn"])
    for part in ["Hello.", "Tell me of the king.", "Are you there?"]:
        assert part in prompt
    assert cut[0]["speech"][:shown + 8] not in prompt
    assert not scene.told("failed")


def test_twenty_characters_speak_at_once(house, play):
    server = house.play(script())
    scene = play("crowd", server.url).finished()

    finished = scene.told("finished")
    assert sorted(turn["agent"] for turn in finished) == sorted(
        f"villager_{number}" for number in range(20))
    for turn in finished:
        number = turn["agent"].split("_")[1]
        assert turn["speech"] == f"I am Villager {number}, and it is a fine morning."
    assert len(reports(scene)) == 20


def test_a_reply_of_200_kilobytes_arrives_whole(house, play):
    model = house.model(script(long=LONG), rate=0)
    server = house.serve(model)
    scene = play("long", server.url).finished()

    (turn,) = scene.told("finished")
    assert turn["tags"][0]["text"] == LONG
    assert turn["tags"][1]["text"] == "That was all."
    assert not scene.told("disconnected")


def test_a_wrong_token_is_told_and_not_tried_again(house, play):
    server = house.play(script(), token="right-token")
    scene = play("token", server.url, token="wrong", right_token="right-token").finished()

    assert scene.told("failed")[0]["code"] == "unauthorized"
    assert [loss["code"] for loss in scene.told("disconnected")] == [4001]
    assert scene.told("still") == [{"state": "OFFLINE"}]
    assert [state["state"] for state in scene.told("state")] == [
        "OFFLINE", "CONNECTING", "ONLINE"]
    assert speeches(scene)[-1] == "As you say, Mira."


def test_a_game_that_stalls_loses_nothing(house, play):
    server = house.play(script())
    scene = play("stall", server.url).finished()

    assert scene.told("stalled")
    king, thanks = speeches(scene)
    assert king == "The old king was a hard man, and Grüße, 🐺 wolves feared him. He built the wall."
    assert thanks == "As you say, Mira."
    assert not scene.told("disconnected") and not scene.told("failed")


def test_a_saved_game_is_taken_up_as_it_was(house, play):
    server = house.play(script())
    scene = play("save", server.url).finished()

    turns = [turn["turn"] for turn in scene.told("finished")]
    assert len(turns) == 4
    assert "raven" in server.prompt("guard", turns[1])
    for turn in turns[2:]:
        prompt = server.prompt("guard", turn)
        assert "The password is swallow." in prompt and "raven" not in prompt
    assert "What is the password?" not in server.prompt("guard", turns[3])
    assert not scene.told("failed")


QUEEN = "The queen was kind, and her hall was warm, and nobody ever went hungry."


def test_what_was_read_is_remembered_where_it_was_said(house, play):
    server = house.play(script())
    scene = play("sessions", server.url).finished()

    cut = reports(scene)[0]
    shown = cut["tags"][0]["presented_chars"]
    assert 20 <= shown < len(QUEEN)
    assert [turn["speech"] for turn in scene.told("finished")] == [QUEEN, *["As you say, Mira."] * 2]
    assert len(reports(scene)) == 3, "the other session hears nothing of that turn"
    new, again = [server.prompt("guard", turn["turn"]) for turn in scene.told("finished")[1:]]
    assert "queen" not in new
    assert QUEEN[:shown].strip() in again and QUEEN[:shown + 8] not in again
    assert not scene.told("failed")


def test_a_game_that_ends_tells_what_was_read(house, play):
    server = house.play(script())
    play("farewell", server.url).finished()
    scene = play("farewell", server.url, again="yes").finished()

    prompt = server.prompt("guard", scene.told("finished")[0]["turn"])
    assert QUEEN[:20] in prompt and "hungry" not in prompt


def test_a_character_goes_on_in_the_next_scene(house, play):
    server = house.play(script(pause=60_000))
    scene = play("scene_change", server.url).finished()

    assert speeches(scene) == ["As you say, Mira."]
    cut, _ = reports(scene)
    assert cut["tags"][1]["outcome"] == "partial"
    assert {"type": "cancel_turn"}.items() <= next(
        message for message in scene.told("sent") if message["type"] == "cancel_turn").items()
    prompt = server.prompt("guard", scene.told("finished")[0]["turn"])
    assert "Tell me of the king." in prompt and "He built" not in prompt


def test_characters_may_be_freed_while_they_speak(house, play):
    server = house.play(script(pause=60_000))
    scene = play("freed", server.url).finished()

    assert speeches(scene, "baker") == ["I know no king.", "As you say, Mira."]
    gone = {report["agent_id"] for report in reports(scene)} - {"baker"}
    assert {"guard", "smith"} <= gone


def test_the_tavern_is_played(house, play):
    server = house.serve(None)
    scene = play("tavern", server.url).finished()

    assert sorted(scene.told("people")[0]["ids"]) == ["lio", "maren", "oswin"]
    begun = {turn["agent"] for turn in scene.told("started")}
    assert begun == {"lio", "maren", "oswin"}
    assert any(turn["speech"] for turn in scene.told("finished"))
    assert not scene.told("failed") and not scene.told("disconnected")


# What the sample world and its characters know, and no dossier of the tavern says.
KNOWN = {
    "maren": "has had a fever and lies above the kitchen",
    "oswin": "Two strokes mean that a boat is out there and sees no light.",
    "lio": "The miller's widow at Harrow Lock buys your songs by the verse, three bits each.",
}


def test_people_answer_from_the_lore_of_the_server(house, play):
    # The folder has no assets: the samples within the program count.
    server = house.serve(None)
    scene = play("lore", server.url).finished()

    states = json.dumps(scene.told("described"), ensure_ascii=False)
    turns = {turn["agent"]: turn for turn in scene.told("finished")}
    assert turns.keys() == KNOWN.keys()
    for agent, known in KNOWN.items():
        turn = turns[agent]
        assert known in server.whole_prompt(agent, turn["turn"])
        assert known not in states
        context = turn["context"]
        assert context["lore"] + context["entries"] > 0
        assert 0 < context["tokens"] <= context["budget"]
    assert KNOWN["oswin"] in turns["oswin"]["speech"]
    assert not scene.told("failed")


@pytest.mark.parametrize("restarts", [False, True])
def test_who_comes_back_another_day_is_remembered(house, play, restarts):
    model = house.model(script())
    server = house.serve(model)
    yesterday = play("memory", server.url).finished()
    if restarts:
        server.terminate()
        server = house.serve(model)
    today = play("memory", server.url, again="yes").finished()

    buried = "I have buried the silver whistle under the pear tree."
    first, last = today.told("finished")
    assert [turn["context"]["turns"] for turn in (first, last)] == [1, 1]
    assert last["context"]["memories"] >= 1
    shown, newest = server.prompt("guard", last["turn"]).rsplit("\n[user] ", 1)
    assert "Good day." in shown and buried not in shown, "the history has gone on"
    assert buried in newest
    assert all(turn["context"]["memories"] == 0 for turn in yesterday.told("finished"))
    assert not today.told("failed")


SCENES = {
    "turn": {}, "order": {}, "interruption": {}, "tool": {}, "history": {}, "restart": {},
    "crowd": {}, "long": {}, "token": {"token": "wrong", "right_token": "right"}, "stall": {},
    "save": {}, "sessions": {}, "scene_change": {}, "freed": {}, "tavern": {},
    "lore": {}, "memory": {},
}


@pytest.mark.parametrize("name", SCENES)
def test_no_scene_hangs_or_breaks_when_the_server_dies_in_it(house, play, name):
    options = SCENES[name]
    settings = {"token": options["right_token"]} if options else {}
    server = house.play(script(pause=60_000, long=LONG), **settings)
    scene = play(name, server.url, limit_after_moment=2, **options)
    scene.until("moment")
    server.kill()
    scene.finished(0, OUT_OF_TIME)
    for given_up in scene.told("out_of_time"):
        assert given_up["awaited"] != "nothing"
    # What was on its way has ended; what was said since then waits for the server.
    assert scene.told("disconnected")
    assert "WAITING" in [state["state"] for state in scene.told("state")]
