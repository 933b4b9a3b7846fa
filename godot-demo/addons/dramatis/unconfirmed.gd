extends RefCounted
## Messages that the server confirms with [code]stored[/code]. Until it has, they are sent again.

## More than this many are never kept; the oldest give way.
const LIMIT := 256

## How long a message that was sent may stay unanswered.
const PATIENCE_MS := 10_000
## The time at which a message was sent that has not been sent.
const NEVER_MS := -PATIENCE_MS

var _messages: Dictionary[String, Dictionary] = {}
var _sent_ms: Dictionary[String, int] = {}


## Keeps a message with a [code]message_id[/code], sent at that time. A newer report of a turn
## replaces an older one, which must not arrive after it.
func add(message: Dictionary, now_ms: int) -> void:
	for id: String in _messages.keys():
		if _is_replaced(_messages[id], message):
			confirm(id)
	var new_id: String = message["message_id"]
	_messages[new_id] = message
	_sent_ms[new_id] = now_ms
	if _messages.size() > LIMIT:
		var oldest: String = _messages.keys()[0]
		confirm(oldest)


## The server has it, or will never take it.
func confirm(message_id: String) -> bool:
	_sent_ms.erase(message_id)
	return _messages.erase(message_id)


## All of them, to be sent again now.
func take_all(now_ms: int) -> Array[Dictionary]:
	for id in _sent_ms:
		_sent_ms[id] = now_ms
	var all: Array[Dictionary] = []
	all.assign(_messages.values())
	return all


## Those that have been unanswered for too long, to be sent again now.
func take_due(now_ms: int) -> Array[Dictionary]:
	var due: Array[Dictionary] = []
	for id in _messages:
		if now_ms - _sent_ms[id] >= PATIENCE_MS:
			_sent_ms[id] = now_ms
			due.append(_messages[id])
	return due


func clear() -> void:
	_messages.clear()
	_sent_ms.clear()


func size() -> int:
	return _messages.size()


func _is_replaced(old: Dictionary, new: Dictionary) -> bool:
	return (
		old["type"] == "agent_turn_result"
		and new["type"] == "agent_turn_result"
		and old["agent_id"] == new["agent_id"]
		and old["turn_id"] == new["turn_id"]
	)
