@icon("icons/tag.svg")
class_name DramatisTag
extends RefCounted
## A tag of a turn, as it arrives: something that a character says, does, or asks of the game.
##
## Whoever shows it, and needs time for that, calls [method hold] when it opens and [method finish]
## when it has been shown. What became of it is what the character will remember.

## Stop showing it now: the character was interrupted. Call [method finish], or leave it: then it
## counts as cut off after [member presented_chars].
signal cut
## It is known what became of it, or something else than before.
signal settled

## Its number in the turn.
var id: int
## The tag around it; -1: none.
var parent_id: int
## As the vocabulary spells it.
var name: String
## [code]"speech"[/code], [code]"action"[/code] or [code]"tool"[/code].
var kind: String
## As the model wrote them, all of them texts.
var attributes: Dictionary
## What has arrived so far.
var text := ""
## Nothing follows.
var closed := false
## The model closed it itself.
var complete := false
## Of a native call: the model's id of it, and its arguments.
var call_id := ""
var arguments: Dictionary = {}
## How much of the text the player has seen, in characters; -1: nobody counts.
var presented_chars := -1
## What became of it, empty: nobody has said.
var outcome := ""
## A word of explanation for the model: [code]"the gate is frozen shut"[/code].
var detail := ""

var _is_held := false


func _init(message: Dictionary) -> void:
	id = message["tag_id"]
	parent_id = message.get("parent_id", -1)
	name = message["tag"]
	kind = message["kind"]
	attributes = message.get("attributes", {})
	call_id = message.get("call_id", "")
	arguments = message.get("arguments", {})


## Showing it takes time: its turn is not reported before [method finish].
func hold() -> void:
	_is_held = true


func is_held() -> bool:
	return _is_held


## It has been shown, or won't be: [code]"done"[/code], [code]"partial"[/code],
## [code]"skipped"[/code], [code]"failed"[/code] or [code]"cancelled"[/code]. The last word counts.
func finish(with_outcome := "done", with_detail := "") -> void:
	_is_held = false
	outcome = with_outcome
	detail = with_detail
	settled.emit()


## Tells whoever shows it to stop, and settles what they leave open. The agent calls this.
func cut_short() -> void:
	if not _is_held:
		return
	cut.emit()
	if _is_held:
		presented_chars = maxi(presented_chars, 0) if kind == "speech" else presented_chars
		finish("partial" if kind == "speech" else "cancelled")


## Leaves whoever listens, unless it is still being shown. A listener that is bound to its tag would
## else keep it for ever.
func let_go() -> void:
	if _is_held:
		return
	for connection: Dictionary in cut.get_connections() + settled.get_connections():
		var told: Signal = connection["signal"]
		var listener: Callable = connection["callable"]
		told.disconnect(listener)


## The entry of the tag in a report.
func to_result() -> Dictionary:
	var result := {"tag_id": id, "outcome": outcome if not outcome.is_empty() else _by_itself()}
	if presented_chars >= 0:
		result["presented_chars"] = presented_chars
	if not detail.is_empty():
		result["detail"] = detail
	return result


## What became of a tag of which nobody has said anything.
func _by_itself() -> String:
	if kind == "tool" and not complete:
		return "skipped"
	return "done" if complete else "partial"
