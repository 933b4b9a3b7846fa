extends RefCounted
## Events that happened while the server was away, in their order.

const LIMIT := 64

## What happened longer ago than this is not worth an answer any more.
const MAX_AGE_MS := 30_000

var _waiting: Array[Dictionary] = []
var _since_ms: Array[int] = []


## Keeps a message. Gives the one that had to make room for it, or an empty one.
func add(message: Dictionary, now_ms: int) -> Dictionary:
	_waiting.append(message)
	_since_ms.append(now_ms)
	return _take_oldest() if _waiting.size() > LIMIT else {}


func has(event_id: String) -> bool:
	return _waiting.any(
		func(message: Dictionary) -> bool: return message.get("event_id") == event_id
	)


## Takes out those that have waited for too long.
func take_expired(now_ms: int) -> Array[Dictionary]:
	var expired: Array[Dictionary] = []
	while not _since_ms.is_empty() and now_ms - _since_ms[0] > MAX_AGE_MS:
		expired.append(_take_oldest())
	return expired


## Takes out those for one character.
func take_of(agent_id: String) -> Array[Dictionary]:
	var taken: Array[Dictionary] = []
	for index in range(_waiting.size() - 1, -1, -1):
		if _waiting[index].get("agent_id") == agent_id:
			taken.push_front(_waiting[index])
			_waiting.remove_at(index)
			_since_ms.remove_at(index)
	return taken


## Takes out all of them.
func take_all() -> Array[Dictionary]:
	var all := _waiting
	_waiting = []
	_since_ms.clear()
	return all


func _take_oldest() -> Dictionary:
	_since_ms.pop_front()
	return _waiting.pop_front()
