@icon("icons/agent.svg")
class_name DramatisTurn
extends RefCounted
## One reaction of a character, as it arrives: its tags, how it ended, what the player saw of it.

## It has ended, and nobody shows anything of it any more; or something became known afterwards.
signal settled

enum Status { RUNNING, FINISHED, INTERRUPTED }

var id: String
## The event that it answers, and all of them.
var event_id: String
var event_ids: Array
## The model that plays it.
var model: String
## [code]"llm"[/code], [code]"scripted"[/code] or [code]"tool_follow_up"[/code].
var origin: String
## In the order in which they opened.
var tags: Array[DramatisTag] = []
var status := Status.RUNNING
## Why it ended: the finish reason, or what interrupted it.
var reason := ""
## Milliseconds: [code]first_speech[/code], [code]total[/code] and others.
var timings: Dictionary = {}
## Tokens, as far as the provider tells.
var usage: Dictionary = {}
## What the prompt was made of, once it has finished: [code]tokens[/code] of a [code]budget[/code],
## past [code]turns[/code], lorebook [code]entries[/code], [code]lore[/code], [code]memories[/code],
## and how much was [code]left_out[/code]. Empty: the server didn't tell.
var context: Dictionary[String, int] = {}
## What was odd about the reply, each kind with its count.
var warnings: Dictionary = {}

var _by_id: Dictionary[int, DramatisTag] = {}


func _init(message: Dictionary) -> void:
	id = message["turn_id"]
	event_id = message["event_id"]
	event_ids = message.get("event_ids", [])
	model = message.get("model", "")
	origin = message.get("origin", "")


## All that is said in it so far.
func speech() -> String:
	var said: PackedStringArray = []
	for each in tags:
		if each.kind == "speech":
			said.append(each.text)
	return " ".join(said)


func is_follow_up() -> bool:
	return origin == "tool_follow_up"


## The tag of that number, or [code]null[/code].
func tag(tag_id: int) -> DramatisTag:
	return _by_id.get(tag_id)


## Whether something of it is still being shown.
func is_held() -> bool:
	return tags.any(func(each: DramatisTag) -> bool: return each.is_held())


## Takes one of the server's messages about a tag, and gives the tag; [code]null[/code] if it isn't
## known.
func take(message: Dictionary) -> DramatisTag:
	if message["type"] == "agent_tag_open":
		return _open(message)
	var tag_id: int = message["tag_id"]
	var known := tag(tag_id)
	if known != null:
		if message["type"] == "agent_tag_chunk":
			known.text += str(message["text"])
		else:
			known.closed = true
			known.complete = message["complete"]
	return known


## Takes the message that ends it.
func end(message: Dictionary) -> void:
	var finished: bool = message["type"] == "agent_turn_finished"
	status = Status.FINISHED if finished else Status.INTERRUPTED
	reason = message["finish_reason"] if finished else message["reason"]
	model = message.get("model", model)
	timings = message.get("timings", {})
	usage = message.get("usage", {})
	var totals: Dictionary = message.get("context", {})
	_take_context(totals)
	warnings = message.get("warnings", {})


## Stops whatever is still being shown of it.
func cut_short() -> void:
	for each in tags:
		each.cut_short()


## Nobody will hear of its tags any more.
func let_go() -> void:
	for each in tags:
		each.let_go()


## The list of outcomes for the report.
func to_results() -> Array[Dictionary]:
	var results: Array[Dictionary] = []
	for each in tags:
		results.append(each.to_result())
	return results


## JSON has no whole numbers: they arrive with a point.
func _take_context(totals: Dictionary) -> void:
	context.clear()
	for name: Variant in totals:
		if totals[name] is float or totals[name] is int:
			var total: float = totals[name]
			context[str(name)] = roundi(total)


func _open(message: Dictionary) -> DramatisTag:
	var opened := DramatisTag.new(message)
	tags.append(opened)
	_by_id[opened.id] = opened
	opened.settled.connect(_settle)
	return opened


func _settle() -> void:
	if status != Status.RUNNING and not is_held():
		settled.emit()
