@tool
@icon("icons/agent.svg")
class_name DramatisAgent
extends Node
## Lets a character speak and act: put it under the character's node, describe the character, call
## [method interact], and show what the signals bring.
##
## Before each turn the server asks how things stand: [member situation], or [method
## _get_agent_state] in a script of your own, answers. What the player has really seen of a turn is
## reported by itself; a [DramatisSpeech] counts the characters of what is said.

## The character begins to react.
signal turn_started(turn: DramatisTurn)
signal tag_opened(tag: DramatisTag)
## More of a tag's text: any piece, a word or half a word.
signal tag_text(tag: DramatisTag, text: String)
signal tag_closed(tag: DramatisTag)
## Everything has arrived; it may still be being shown.
signal turn_finished(turn: DramatisTurn)
## It ended before its time: [code]newer_event[/code], [code]cancelled[/code],
## [code]disconnected[/code], [code]timeout[/code], [code]provider_error[/code] or
## [code]shutdown[/code].
signal turn_interrupted(turn: DramatisTurn, reason: String)
## The event gets no turn. The reasons are the protocol's, and [code]offline[/code]: the server was
## away for too long; [code]refused[/code]: see [signal failed].
signal event_dropped(event_id: String, reason: String)
## The server or the client complains: [code]code[/code], [code]message[/code] and more.
signal failed(error: Dictionary)

const Client := preload("client.gd")

## Errors that refuse the event that they name; no other word about it follows.
const REFUSALS: Array[String] = [
	"bad_json", "bad_message", "rate_limited", "overloaded", "too_large", "unauthorized"
]

## So many turns are kept, so that what is told of them late can still be reported.
const KEPT_TURNS := 16

## The character's name on the wire, the same in every run of the game. Empty: the name of the node
## above, in snake case.
@export var agent_id := "":
	set(value):
		var was_known := _client != null and value != agent_id
		if was_known:
			leave()
		agent_id = value
		if was_known:
			_join()
## Empty: the name of the node above.
@export var character_name := ""
## Who the character is: headings and texts.
@export var dossier: Dictionary[String, String] = {}
## What the character can do. Empty: speak, act, show an emotion.
@export var vocabulary: Array[DramatisTagDefinition] = []

@export_group("On the server")
## The character, the world and the rules among the server's assets.
@export var character_id := ""
@export var world_id := ""
@export var rules: PackedStringArray = []
## Empty: the server's choice.
@export var model := ""
## How many past turns the prompt shows; -1: as the server thinks best.
@export_range(-1, 1000) var history_turns := -1

@export_group("Tools")
## Whether the character speaks to what its tools have answered.
@export var follow_up := true

## What is so right now, headings and texts: scene, goals, surroundings. Set it whenever it changes.
var situation: Dictionary[String, String] = {}
## The turn that runs, or was the last.
var current_turn: DramatisTurn

var _client: Client
## The name that the client knows it by; empty: it doesn't.
var _known_as := ""
## The turn that was cancelled while it ran.
var _cancelled := ""
## Events without a fate, with what they do to a turn that runs.
var _events: Dictionary[String, String] = {}
var _turns: Dictionary[String, DramatisTurn] = {}
var _tools: Dictionary[String, Callable] = {}
var _tool_definitions: Dictionary[String, DramatisTagDefinition] = {}


# Not _enter_tree() and _exit_tree(): a script of the game's that extends this one may have its own,
# without a call of these.
func _notification(what: int) -> void:
	match what:
		NOTIFICATION_ENTER_TREE:
			if not Engine.is_editor_hint():
				_join()
		NOTIFICATION_EXIT_TREE:
			leave()


func _get_configuration_warnings() -> PackedStringArray:
	var warnings: PackedStringArray = []
	if not ProjectSettings.has_setting("autoload/DramatisClient"):
		warnings.append("Enable the plugin “dramatis” in the project settings.")
	if get_parent() == null or get_parent() == get_tree().edited_scene_root and agent_id.is_empty():
		warnings.append("Give it an agent_id, or put it under the node of a character.")
	if not vocabulary.is_empty() and not vocabulary.any(_is_speech):
		warnings.append("No tag of the vocabulary is speech: this character can't say anything.")
	for definition in vocabulary:
		if definition != null and not definition.is_name_valid():
			warnings.append("“%s” can't be the name of a tag." % definition.name)
	return warnings


## The [member agent_id], or what stands for it. In the game it stays what it was when the character
## came, whatever the node above is called later.
func id() -> String:
	if not _known_as.is_empty():
		return _known_as
	if not agent_id.is_empty():
		return agent_id
	return str(get_parent().name).to_snake_case() if get_parent() != null else ""


## Something happens that the character should react to. [param actor] is who did it, [code]{"id":
## …, "name": …}[/code]; [param data] anything else the model should know; [param options] may hold
## [code]event_type[/code], [code]interrupt[/code] ([code]"now"[/code], [code]"queue"[/code],
## [code]"drop"[/code]) and [code]priority[/code]. Gives the id of the event, empty: it can't be
## sent.
func interact(
	text: String, actor: Dictionary = {}, data: Variant = null, options: Dictionary = {}
) -> String:
	var event_id := Client.new_id()
	var event := _event("interaction_event", text, actor, data, options)
	event["event_id"] = event_id
	if _client == null:
		return ""
	# Before it is sent: it may be refused at once.
	_events[event_id] = event.get("interrupt", "now")
	if not _client.send(event):
		_events.erase(event_id)
		return ""
	return event_id


## Something happens that the character should know, without reacting to it.
func notify_event(
	text: String, actor: Dictionary = {}, data: Variant = null, options: Dictionary = {}
) -> void:
	if _client != null:
		_client.send(_event("notification_event", text, actor, data, options))


## Stops the character: the turn that runs, and whatever it was going to react to.
func cancel(reason := "") -> void:
	_cut_shown_turns()
	if _is_running():
		_cancelled = current_turn.id
	if _client == null:
		return
	_client.cancel_waiting(id())
	var message := {"type": "cancel_turn", "agent_id": id()}
	if not reason.is_empty():
		message["reason"] = reason
	_client.send(message)


## Whether something is on its way: an event without an answer, a turn that runs or is being shown.
func is_busy() -> bool:
	var shows := current_turn != null and current_turn.is_held()
	return not _events.is_empty() or _is_running() or shows


## Answers a tag of kind tool by calling [param run] with its attributes; what that returns, at once
## or after an [code]await[/code], the model is told. With a [param description] the tag needs no
## place in the [member vocabulary]; [param attributes] are then names and what they mean.
func register_tool(
	tool_name: String, run: Callable, description := "", attributes: Dictionary = {}
) -> void:
	_tools[tool_name] = run
	if description.is_empty():
		return
	var definition := DramatisTagDefinition.new()
	definition.name = tool_name
	definition.description = description
	definition.kind = DramatisTagDefinition.Kind.TOOL
	definition.has_text = false
	for attribute_name: Variant in attributes:
		var attribute := DramatisAttributeDefinition.new()
		attribute.name = str(attribute_name)
		attribute.description = str(attributes[attribute_name])
		attribute.required = true
		definition.attributes.append(attribute)
	_tool_definitions[tool_name] = definition


## What a tool returns when it could not do what it was asked.
static func tool_failed(why: String) -> ToolFailure:
	return ToolFailure.new(why)


## How things stand with the character now; the server asks before each turn. Override it, call
## [code]super()[/code], and add to what that gives. It may [code]await[/code], for less than the
## server's two seconds.
func _get_agent_state() -> Dictionary:
	var state := {"name": _shown_name(), "tags": _tag_messages()}
	_add_text(state, "character_id", character_id)
	_add_text(state, "world_id", world_id)
	_add_text(state, "model", model)
	if not rules.is_empty():
		state["rules"] = Array(rules)
	if not dossier.is_empty():
		state["dossier"] = _headed(dossier, "content")
	if not situation.is_empty():
		state["prompt_parts"] = _headed(situation, "text")
	if history_turns >= 0:
		state["history_turns"] = history_turns
	return state


## Takes one of the server's messages about this character. The client calls this.
func take(message: Dictionary) -> void:
	match str(message["type"]):
		"get_agent_state":
			_answer_state(message)
		"agent_turn_started":
			_begin_turn(message)
		"agent_tag_open", "agent_tag_chunk", "agent_tag_close":
			_take_tag(message)
		"agent_turn_finished", "agent_turn_interrupted":
			_end_turn(message)
		"event_dropped":
			# Of a repeated event it says nothing about the first.
			if message["reason"] != "duplicate":
				drop_event(str(message["event_id"]), str(message["reason"]))


## An event gets no turn. The client calls this.
func drop_event(event_id: String, reason: String) -> void:
	if _events.erase(event_id):
		event_dropped.emit(event_id, reason)


## Something went wrong with this character. The client calls this.
func fail(error: Dictionary) -> void:
	failed.emit(error)
	if error["code"] in REFUSALS and not error.has("turn_id"):
		drop_event(str(error.get("in_reply_to", "")), "refused")


## The connection is gone, and with it the turn that ran and what waited. The client calls this.
func lose_connection() -> void:
	if _is_running():
		_end_turn(
			{
				"type": "agent_turn_interrupted",
				"turn_id": current_turn.id,
				"reason": "disconnected",
			}
		)
	for event_id: String in _events.keys():
		# What began because of the loss waits for the next connection.
		if not _client.is_waiting(event_id):
			drop_event(event_id, "disconnected")


## The game goes on in another play session, which knows nothing of these turns: the character
## stops, and nothing of them is reported any more. The client calls this.
func leave_session() -> void:
	lose_connection()
	_cut_shown_turns()
	for turn: DramatisTurn in _turns.values():
		turn.let_go()
	_turns.clear()


## The character is gone: it stops, and what was seen of it is reported.
func leave() -> void:
	if _client == null:
		return
	if not _events.is_empty() or _is_running():
		cancel("the character is gone")
	if _is_running():
		_end_turn(
			{
				"type": "agent_turn_interrupted",
				"turn_id": current_turn.id,
				"reason": "cancelled",
			}
		)
	_cut_shown_turns()
	for turn: DramatisTurn in _turns.values():
		turn.let_go()
	_events.clear()
	_client.remove_agent(self)
	_client = null
	_known_as = ""


func _join() -> void:
	_client = get_node_or_null(^"/root/DramatisClient") as Client
	if _client == null:
		push_error(
			"There is no DramatisClient: enable the plugin “dramatis” in the project settings."
		)
		return
	_known_as = id()
	_client.add_agent(self)


func _event(
	type: String, text: String, actor: Dictionary, data: Variant, options: Dictionary
) -> Dictionary:
	var event := {"type": type, "agent_id": id()}
	_add_text(event, "text", text)
	if not actor.is_empty():
		event["actor"] = actor
	if data != null:
		event["data"] = data
	event.merge(options)
	return event


func _answer_state(request: Dictionary) -> void:
	# A follow-up continues what the character is saying; a newer event takes its place.
	if current_turn == null or str(request["event_id"]) != current_turn.event_id:
		_give_way()
	@warning_ignore("redundant_await")
	var state: Dictionary = await _get_agent_state()
	if _client == null:
		return
	(
		_client
		. send(
			{
				"type": "agent_state_snapshot",
				"request_id": request["request_id"],
				"agent_id": id(),
				"state": state,
			}
		)
	)


func _begin_turn(message: Dictionary) -> void:
	var turn := DramatisTurn.new(message)
	if not turn.is_follow_up():
		_give_way()
	for event_id: Variant in turn.event_ids:
		_events.erase(str(event_id))
	current_turn = turn
	_turns[turn.id] = turn
	if _turns.size() > KEPT_TURNS:
		var oldest: DramatisTurn = _turns.values()[0]
		oldest.let_go()
		_turns.erase(oldest.id)
	turn_started.emit(turn)


func _take_tag(message: Dictionary) -> void:
	var turn: DramatisTurn = _turns.get(str(message["turn_id"]))
	var tag := turn.take(message) if turn != null else null
	if tag == null:
		return
	match str(message["type"]):
		"agent_tag_open":
			tag_opened.emit(tag)
		"agent_tag_chunk":
			tag_text.emit(tag, str(message["text"]))
		"agent_tag_close":
			tag_closed.emit(tag)
			if tag.kind == "tool" and tag.complete:
				_run_tool(turn.id, tag)


func _end_turn(message: Dictionary) -> void:
	var turn: DramatisTurn = _turns.get(str(message["turn_id"]))
	if turn == null or turn.status != DramatisTurn.Status.RUNNING:
		return
	turn.end(message)
	if _client != null:
		_client.note_turn(id(), turn.id)
	if turn.status == DramatisTurn.Status.FINISHED:
		turn_finished.emit(turn)
		if turn.id == _cancelled:
			# The word to stop came too late for the server, not for who shows the turn.
			turn.cut_short()
	else:
		turn.cut_short()
		turn_interrupted.emit(turn, turn.reason)
	if not turn.is_held():
		_report(turn.id)
	turn.settled.connect(_report.bind(turn.id))


## What is still being shown makes room, if an event that takes its place is on its way.
func _give_way() -> void:
	if _events.values().has("now"):
		_cut_shown_turns()


## Stops what is still being shown of turns that have ended.
func _cut_shown_turns() -> void:
	for turn: DramatisTurn in _turns.values():
		if turn.status != DramatisTurn.Status.RUNNING:
			turn.cut_short()


## Tells the server what the player has seen of a turn.
func _report(turn_id: String) -> void:
	var turn: DramatisTurn = _turns.get(turn_id)
	if turn == null or turn.tags.is_empty() or _client == null:
		return
	(
		_client
		. send(
			{
				"type": "agent_turn_result",
				"agent_id": id(),
				"turn_id": turn_id,
				"tags": turn.to_results(),
			}
		)
	)


func _run_tool(turn_id: String, tag: DramatisTag) -> void:
	var run: Callable = _tools.get(tag.name, Callable())
	var message := {"type": "tool_results", "agent_id": id(), "turn_id": turn_id}
	if not follow_up:
		message["follow_up"] = false
	# The client lives longer than any tool.
	_client.answer_tool(message, tag, run)


func _is_running() -> bool:
	return current_turn != null and current_turn.status == DramatisTurn.Status.RUNNING


func _shown_name() -> String:
	if not character_name.is_empty():
		return character_name
	return str(get_parent().name) if get_parent() != null else id()


func _tag_messages() -> Array[Dictionary]:
	var definitions := vocabulary if not vocabulary.is_empty() else _default_vocabulary()
	var messages: Array[Dictionary] = []
	for definition in definitions:
		if definition != null and not _tool_definitions.has(definition.name):
			messages.append(definition.to_message())
	for definition: DramatisTagDefinition in _tool_definitions.values():
		messages.append(definition.to_message())
	return messages


## The server's own is only known to the server: with a tool beside it, it must be spelled out.
func _default_vocabulary() -> Array[DramatisTagDefinition]:
	var nothing: Array[DramatisTagDefinition] = []
	return nothing if _tool_definitions.is_empty() else DramatisTagDefinition.defaults()


func _headed(texts: Dictionary[String, String], text_name: String) -> Array[Dictionary]:
	var parts: Array[Dictionary] = []
	for title in texts:
		parts.append({"title": title, text_name: texts[title]})
	return parts


func _add_text(message: Dictionary, field: String, text: String) -> void:
	if not text.is_empty():
		message[field] = text


func _is_speech(definition: DramatisTagDefinition) -> bool:
	return definition != null and definition.kind == DramatisTagDefinition.Kind.SPEECH


## A tool could not do what it was asked.
class ToolFailure:
	extends RefCounted

	var why: String

	func _init(reason: String) -> void:
		why = reason
