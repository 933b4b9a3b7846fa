extends "../trial.gd"
## Plays the game's side of one of the protocol's transcripts, by a plan that the test has made
## of it: who is there, what the game does after how many messages of the server, what its tools
## answer, and how much of a tag the player sees.

var _plan: Dictionary
## Messages of the server, without confirmations and pongs.
var _heard := 0
## Messages of the game, without pings.
var _said := 0
## The ids that events have here, by those that they have in the transcript.
var _event_ids: Dictionary[String, String] = {}


func play() -> void:
	_plan = JSON.parse_string(FileAccess.get_file_as_string(options["plan"]))
	DramatisClient.message_received.connect(_count_heard)
	DramatisClient.message_sent.connect(_count_said)
	DramatisClient.session_id = _plan["session_id"]
	var agents: Dictionary = _plan["agents"]
	for id: String in agents:
		var description: Dictionary = agents[id]
		_add(id, description)
	if _plan.has("resume"):
		var point: Dictionary = _plan["resume"]
		DramatisClient.resume(point)
	for step: Dictionary in _plan["steps"]:
		var after: int = step["after"]
		await until(func() -> bool: return _heard >= after, "message %d of the server" % after)
		_do(step)
	var heard: int = _plan["heard"]
	var sent: int = _plan["said"]
	await until(func() -> bool: return _heard >= heard, "%d messages of the server" % heard)
	await until(func() -> bool: return _said >= sent, "%d messages of the game" % sent)
	await get_tree().create_timer(0.1).timeout
	tell("state_at_end", {"state": DramatisClient.State.find_key(DramatisClient.state)})


func _add(id: String, description: Dictionary) -> void:
	var agent := Part.new()
	agent.agent_id = id
	agent.describe(description)
	agent.tag_opened.connect(_show.bind(agent))
	watch(agent)
	add_child(agent)


func _do(step: Dictionary) -> void:
	var message: Dictionary = step["message"]
	var agent := DramatisClient.agent(str(message.get("agent_id", "")))
	match str(step["do"]):
		"interact":
			var text: String = message.get("text", "")
			var actor: Dictionary = message.get("actor", {})
			var more: Dictionary = step["options"]
			var id := agent.interact(text, actor, message.get("data"), more)
			_event_ids[str(message.get("event_id", ""))] = id
		"notify_event":
			var options_given: Dictionary = step["options"]
			var what: String = message.get("text", "")
			agent.notify_event(what, {}, message.get("data"), options_given)
		"cancel":
			agent.cancel(str(message.get("reason", "")))
		"send":
			var event_id: String = message.get("event_id", "")
			if _event_ids.has(event_id):
				message["event_id"] = _event_ids[event_id]
			DramatisClient.send(message)


## Lets a tag be seen as far as the transcript says.
func _show(tag: DramatisTag, agent: DramatisAgent) -> void:
	var turns: Dictionary = _plan["shown"]
	var tags: Dictionary = turns.get(agent.current_turn.id, {})
	if tags.has(str(tag.id)):
		tag.hold()
		tag.presented_chars = tags[str(tag.id)]


func _count_heard(message: Dictionary) -> void:
	if message["type"] not in ["stored", "pong"]:
		_heard += 1


func _count_said(message: Dictionary) -> void:
	if message["type"] != "ping":
		_said += 1


@warning_ignore("missing_tool")


class Part:
	extends DramatisAgent
	## A character as a state of the transcript describes it.

	## What has no place in the inspector, and is added as a game's own script would.
	var own: Dictionary = {}
	## What is so at the time of each question.
	var situations: Array = []

	func describe(description: Dictionary) -> void:
		character_name = description["name"]
		character_id = description.get("character_id", "")
		world_id = description.get("world_id", "")
		history_turns = description.get("history_turns", -1)
		follow_up = description.get("follow_up", true)
		own = description["own"]
		situations = description["situations"]
		for definition: Dictionary in description.get("tags", []):
			vocabulary.append(_tag(definition))
		var tools: Dictionary = description["tools"]
		for tool_name: String in tools:
			var answer: Dictionary = tools[tool_name]
			register_tool(tool_name, _answer.bind(answer))

	func _get_agent_state() -> Dictionary:
		situation.clear()
		var parts: Array = situations.pop_front()
		for part: Dictionary in parts:
			situation[str(part["title"])] = str(part["text"])
		return super().merged(own, true)

	func _answer(_arguments: Dictionary, answer: Dictionary) -> Variant:
		return answer["output"] if answer["ok"] else tool_failed(str(answer["output"]))

	func _tag(definition: Dictionary) -> DramatisTagDefinition:
		var tag := DramatisTagDefinition.new()
		tag.name = definition["name"]
		tag.description = definition.get("description", "")
		tag.kind = DramatisTagDefinition.Kind[str(definition.get("kind", "action")).to_upper()]
		tag.has_text = definition.get("content", "text") != "none"
		tag.must_finish = not definition.get("interruptible", true)
		for known: Dictionary in definition.get("attributes", []):
			var attribute := DramatisAttributeDefinition.new()
			attribute.name = known["name"]
			var values: Array = known.get("values", [])
			attribute.values = PackedStringArray(values)
			attribute.required = known.get("required", false)
			tag.attributes.append(attribute)
		return tag
