extends Node
## What the scenes of the end-to-end tests have in common. A scene overrides [method play], does
## something with the addon as a game would, and tells what it finds in lines of JSON, which the
## test reads. It ends by itself, at the latest after [code]--limit[/code] seconds, or so many
## seconds after its [method moment] as [code]--limit-after-moment[/code] says.

## How it ends when its time is over.
const OUT_OF_TIME := 3

var options: Dictionary[String, String] = {}

var _labels: Dictionary[String, RichTextLabel] = {}
var _awaited := "nothing"
var _ends_ms := 0
var _is_over := false


func _ready() -> void:
	process_mode = Node.PROCESS_MODE_ALWAYS
	_limit(str(options.get("limit", "30")))
	DramatisClient.state_changed.connect(_tell_state)
	DramatisClient.failed.connect(func(error: Dictionary) -> void: tell("failed", error))
	DramatisClient.disconnected.connect(_tell_loss)
	DramatisClient.message_sent.connect(_tell_report)
	await call(&"play")
	if options.has("limit-after-moment"):
		# The server is being killed, though a quick scene may be over before.
		await until(func() -> bool: return not is_online(), "the loss")
	finish(0)


func _process(_delta: float) -> void:
	if Time.get_ticks_msec() > _ends_ms:
		tell("out_of_time", {"awaited": _awaited})
		finish(OUT_OF_TIME)


## What the scene does.
func play() -> void:
	pass


## Tells the test something.
func tell(what: String, facts: Dictionary = {}) -> void:
	if not _is_over:
		print(JSON.stringify({"told": what, "ms": Time.get_ticks_msec(), "facts": facts}))


## Here the test may do something to the server; in one of its runs it kills it.
func moment() -> void:
	tell("moment")
	if options.has("limit-after-moment"):
		_limit(options["limit-after-moment"])


## Waits until something is so.
func until(is_so: Callable, what: String) -> void:
	_awaited = what
	while not is_so.call():
		await get_tree().process_frame
	_awaited = "nothing"


func finish(code: int) -> void:
	if _is_over:
		return
	tell("end")
	_is_over = true
	get_tree().quit(code)


func is_online() -> bool:
	return DramatisClient.state == DramatisClient.State.ONLINE


func online() -> void:
	await until(is_online, "a connection")


## A character who is in the scene, and of whom everything is told.
func character(id: String, shown_as := "") -> DramatisAgent:
	var agent := DramatisAgent.new()
	agent.agent_id = id
	agent.character_name = shown_as if not shown_as.is_empty() else id.capitalize()
	agent.dossier = {"Who you are": "You guard the north gate."}
	agent.name = agent.character_name
	watch(agent)
	add_child(agent)
	return agent


## Tells everything of a character.
func watch(agent: DramatisAgent) -> void:
	var id := agent.agent_id
	agent.turn_started.connect(
		func(turn: DramatisTurn) -> void:
			tell("started", {"agent": id, "turn": turn.id, "origin": turn.origin})
	)
	agent.turn_finished.connect(
		func(turn: DramatisTurn) -> void: tell("finished", facts_of(turn).merged({"agent": id}))
	)
	agent.turn_interrupted.connect(
		func(turn: DramatisTurn, reason: String) -> void:
			tell("interrupted", facts_of(turn).merged({"agent": id, "reason": reason}, true))
	)
	agent.event_dropped.connect(
		func(event_id: String, reason: String) -> void:
			tell("dropped", {"agent": id, "event": event_id, "reason": reason})
	)


## Something that shows what a character says. What can be read there is told when the turn is
## reported.
func bubble(agent: DramatisAgent, characters_per_second: float) -> RichTextLabel:
	var label := RichTextLabel.new()
	agent.add_child(label)
	var speech := DramatisSpeech.new()
	speech.agent = agent
	speech.label = label
	speech.characters_per_second = characters_per_second
	speech.linger = 0.05
	agent.add_child(speech)
	_labels[agent.agent_id] = label
	return label


## What can be read on a label.
func read(label: RichTextLabel) -> String:
	var text := label.get_parsed_text()
	return text if label.visible_characters < 0 else text.left(label.visible_characters)


## Waits until so many characters of what somebody says now have been shown.
func said(agent: DramatisAgent, characters: int) -> void:
	var is_shown := func(tag: DramatisTag) -> bool: return tag.presented_chars >= characters
	await until(
		func() -> bool:
			var turn := agent.current_turn
			return agent.is_busy() and turn != null and turn.tags.any(is_shown),
		"speech"
	)


## Says something to a character and waits until all of the answer has been shown.
func talk(agent: DramatisAgent, text: String) -> void:
	agent.interact(text, {"id": "player", "name": "Mira"})
	await until(func() -> bool: return not agent.is_busy(), "the answer to “%s”" % text)


## A turn as facts.
func facts_of(turn: DramatisTurn) -> Dictionary:
	return {
		"turn": turn.id,
		"event": turn.event_id,
		"origin": turn.origin,
		"model": turn.model,
		"reason": turn.reason,
		"speech": turn.speech(),
		"timings": turn.timings,
		"context": turn.context,
		"tags": turn.tags.map(_facts_of_tag),
	}


func _facts_of_tag(tag: DramatisTag) -> Dictionary:
	return {
		"id": tag.id,
		"name": tag.name,
		"kind": tag.kind,
		"attributes": tag.attributes,
		"text": tag.text,
		"complete": tag.complete,
	}


func _limit(seconds: String) -> void:
	_ends_ms = Time.get_ticks_msec() + int(seconds.to_float() * 1000.0)


func _tell_state(state: int) -> void:
	tell("state", {"state": DramatisClient.State.find_key(state)})


func _tell_loss(code: int, reason: String) -> void:
	tell("disconnected", {"code": code, "reason": reason})


func _tell_report(message: Dictionary) -> void:
	if message["type"] in ["agent_turn_result", "tool_results", "cancel_turn", "hello"]:
		tell("sent", message)
	if (
		message["type"] == "agent_turn_result"
		and is_instance_valid(_labels.get(message["agent_id"]))
	):
		tell("label", {"turn": message["turn_id"], "text": read(_labels[message["agent_id"]])})
