extends "../game_test.gd"
## Tools of the game's: called with what the model wrote, answered at once or later.

var smith: DramatisAgent


func before() -> void:
	await super()
	smith = character("smith")


func test_a_tool_gets_the_attributes_and_answers() -> void:
	var calls: Array[Dictionary] = []
	smith.register_tool(
		"look",
		func(arguments: Dictionary) -> Variant:
			calls.append(arguments)
			return {"count": 12}
	)
	await _is_called("look", {"attributes": {"item": "horseshoe"}})
	var results := await received("tool_results")
	equal([results["agent_id"], results["turn_id"]], ["smith", "t1"])
	check(not results.has("follow_up"), "the server's choice")
	equal(
		results["results"], [{"tag_id": 0.0, "name": "look", "ok": true, "output": {"count": 12.0}}]
	)
	equal(calls, [{"item": "horseshoe"}] as Array[Dictionary])


func test_a_native_call_gives_its_arguments() -> void:
	var calls: Array[Dictionary] = []
	smith.register_tool(
		"repair",
		func(arguments: Dictionary) -> Variant:
			calls.append(arguments)
			return true
	)
	var native := {
		"attributes": {"itemId": "71"},
		"call_id": "c1",
		"arguments": {"itemId": 71, "materials": ["iron"]}
	}
	await _is_called("repair", native)
	equal(calls, [{"itemId": 71.0, "materials": ["iron"]}] as Array[Dictionary])
	equal((await received("tool_results"))["results"][0]["output"], true)


func test_a_tool_may_take_its_time() -> void:
	smith.register_tool("look", _look_slowly)
	await _is_called("look")
	server.finish_turn("smith", "t1")
	await frames(5)
	equal(server.of_type("tool_results").size(), 0)
	equal(server.of_type("agent_turn_result").size(), 0, "what became of it isn't known yet")
	check(smith.is_busy(), "it is at it")
	equal((await received("tool_results"))["results"][0]["output"], "seven rubies")
	equal((await received("agent_turn_result"))["tags"], [{"tag_id": 0.0, "outcome": "done"}])


func test_a_tool_may_fail() -> void:
	smith.register_tool(
		"look", func(_a: Dictionary) -> Variant: return DramatisAgent.tool_failed("it is dark")
	)
	await _is_called("look")
	server.finish_turn("smith", "t1")
	equal(
		(await received("tool_results"))["results"],
		[{"tag_id": 0.0, "name": "look", "ok": false, "output": "it is dark"}]
	)
	equal((await received("agent_turn_result"))["tags"], [{"tag_id": 0.0, "outcome": "failed"}])


func test_a_tool_that_nobody_runs_is_answered_too() -> void:
	expects_complaint("No tool “dance” is registered")
	await _is_called("dance")
	var result: Dictionary = (await received("tool_results"))["results"][0]
	equal(result["ok"], false)


func test_a_tool_without_an_answer_answers_nothing() -> void:
	smith.register_tool("wave", func(_a: Dictionary) -> Variant: return null)
	await _is_called("wave")
	var result: Dictionary = (await received("tool_results"))["results"][0]
	equal([result["ok"], result.get("output")], [true, null])


func test_a_tool_that_was_cut_off_does_not_run() -> void:
	var calls: Array[Dictionary] = []
	smith.register_tool(
		"look",
		func(arguments: Dictionary) -> Variant:
			calls.append(arguments)
			return null
	)
	await _is_called("look", {}, false)
	server.interrupt_turn("smith", "t1", "newer_event")
	equal((await received("agent_turn_result"))["tags"], [{"tag_id": 0.0, "outcome": "skipped"}])
	equal(calls.size(), 0)


func test_a_character_may_keep_quiet_about_answers() -> void:
	smith.follow_up = false
	smith.register_tool("look", func(_a: Dictionary) -> Variant: return 1)
	await _is_called("look")
	equal((await received("tool_results"))["follow_up"], false)


func test_a_follow_up_does_not_cut_what_is_said() -> void:
	var held: Array[DramatisTag] = []
	smith.tag_opened.connect(
		func(tag: DramatisTag) -> void:
			if tag.kind == "speech":
				tag.hold()
				held.append(tag)
	)
	smith.register_tool("look", func(_a: Dictionary) -> Variant: return 1)
	smith.interact("Look.")
	await received("interaction_event")
	server.begin_turn("smith", "t1")
	server.open_tag("smith", "t1", 0)
	server.write("smith", "t1", 0, "Let me see.")
	server.close_tag("smith", "t1", 0)
	server.open_tag("smith", "t1", 1, {"tag": "look", "kind": "tool"})
	server.close_tag("smith", "t1", 1)
	server.finish_turn("smith", "t1")
	await received("tool_results")
	var event_id: String = server.last("interaction_event")["event_id"]
	var question := {"request_id": "r1", "agent_id": "smith", "event_id": event_id}
	server.send(question.merged({"type": "get_agent_state"}))
	await received("agent_state_snapshot")
	server.begin_turn("smith", "t2", "tool_follow_up")
	server.open_tag("smith", "t2", 0)
	await until(func() -> bool: return held.size() == 2, "the follow-up's speech")
	check(held[0].is_held(), "the first speech goes on")


func test_a_tool_outlives_its_character() -> void:
	smith.register_tool("look", _look_slowly)
	await _is_called("look")
	smith.free()
	equal((await received("tool_results"))["results"][0]["output"], "seven rubies")


func _look_slowly(_arguments: Dictionary) -> Variant:
	await get_tree().create_timer(0.1).timeout
	return "seven rubies"


## The model calls a tool in a turn that goes on.
func _is_called(tool_name: String, more: Dictionary = {}, complete := true) -> void:
	smith.interact("Go on.")
	await received("interaction_event")
	server.begin_turn("smith", "t1")
	server.open_tag("smith", "t1", 0, {"tag": tool_name, "kind": "tool"}.merged(more))
	server.close_tag("smith", "t1", 0, complete)
	await until(
		func() -> bool:
			var turn := smith.current_turn
			return turn != null and not turn.tags.is_empty() and turn.tags[0].closed,
		"the call"
	)
