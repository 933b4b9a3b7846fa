extends "../game_test.gd"
## What a character tells the server of itself.

var guard: DramatisAgent


func before() -> void:
	await super()
	guard = character("guard")


func test_the_id_and_the_name_are_those_of_the_node_above() -> void:
	var parent := Node.new()
	parent.name = "OldSmith"
	var agent := DramatisAgent.new()
	parent.add_child(agent)
	add_child(parent)
	equal(agent.id(), "old_smith")
	equal(DramatisClient.agent("old_smith"), agent)
	equal((await _asked_state(agent))["name"], "OldSmith")
	remove_child(parent)
	equal(DramatisClient.agent("old_smith"), null)
	parent.free()


func test_the_state_tells_who_and_how() -> void:
	guard.character_name = "Brann"
	guard.dossier = {"Who you are": "Guard.", "Likes": "Ale."}
	guard.situation = {"Now": "Night."}
	guard.character_id = "brann"
	guard.world_id = "northkeep"
	guard.rules = ["polite"]
	guard.model = "small"
	guard.history_turns = 3
	var state := await _asked_state(guard)
	equal(
		state["dossier"],
		[
			{"title": "Who you are", "content": "Guard."},
			{"title": "Likes", "content": "Ale."},
		]
	)
	equal(state["prompt_parts"], [{"title": "Now", "text": "Night."}])
	for field: Array in [
		["name", "Brann"],
		["character_id", "brann"],
		["world_id", "northkeep"],
		["rules", ["polite"]],
		["model", "small"],
		["history_turns", 3.0],
	]:
		equal(state[field[0]], field[1])


func test_a_bare_character_only_has_a_name() -> void:
	guard.character_name = "Brann"
	var state := await _asked_state(guard)
	equal(state["name"], "Brann")
	for field: String in ["dossier", "prompt_parts", "rules", "model", "history_turns", "world_id"]:
		check(not state.has(field), field)


func test_the_vocabulary_is_told() -> void:
	var tag := DramatisTagDefinition.new()
	tag.name = "nod"
	guard.vocabulary = [tag]
	equal((await _asked_state(guard))["tags"], [{"name": "nod", "kind": "action"}])


func test_a_tool_with_a_description_is_told_too() -> void:
	guard.register_tool("roll", func(_a: Dictionary) -> Variant: return 6, "Roll.", {"sides": "n"})
	var tags: Array = (await _asked_state(guard))["tags"]
	var names := tags.map(func(tag: Dictionary) -> String: return tag["name"])
	equal(names, ["speech", "action", "emotion", "think", "roll"])
	equal(
		tags[-1],
		{
			"name": "roll",
			"kind": "tool",
			"content": "none",
			"description": "Roll.",
			"attributes": [{"name": "sides", "description": "n", "required": true}],
		}
	)


func test_a_script_may_add_to_the_state_and_take_its_time() -> void:
	var smith := Smith.new()
	smith.agent_id = "smith"
	smith.character_name = "Hilda"
	add_child(smith)
	var state := await _asked_state(smith)
	equal([state["name"], state["temperature"]], ["Hilda", 0.5])


func _asked_state(agent: DramatisAgent) -> Dictionary:
	server.send(_state_question(agent.id()))
	var snapshot := await received("agent_state_snapshot")
	equal([snapshot["request_id"], snapshot["agent_id"]], ["r1", agent.id()])
	return snapshot["state"]


func _state_question(agent_id: String) -> Dictionary:
	return {"type": "get_agent_state", "request_id": "r1", "agent_id": agent_id, "event_id": "e9"}


@warning_ignore("missing_tool")


class Smith:
	extends DramatisAgent

	func _get_agent_state() -> Dictionary:
		var state := super()
		await get_tree().create_timer(0.05).timeout
		state["temperature"] = 0.5
		return state
