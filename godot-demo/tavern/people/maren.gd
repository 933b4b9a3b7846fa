class_name Maren
extends Character
## Keeps the tavern: looks guests up in her book, and hands over what she has.

const BOOK: Dictionary[String, String] = {
	"wren":
	"Wren has room three for seven nights, paid in silver by Oswin, for whoever brings the letter",
	"oswin": "Oswin pays for one bowl of soup at a time",
	"lio": "Lio owes for five weeks, and sings it off",
}
const STORE: Dictionary[String, int] = {"ale": 6, "stew": 2, "candle": 3, "oil": 1}

@export var pockets: Inventory

var _left: Dictionary[String, int] = STORE.duplicate()


func _ready() -> void:
	super()
	agent.register_tool("look_up_guest", _look_up_guest)
	agent.register_tool("give_item", _give_item)


func reset() -> void:
	super()
	_left = STORE.duplicate()


## What is left of the store, for the save file.
func stock() -> Dictionary[String, int]:
	return _left.duplicate()


func restock(counts: Dictionary) -> void:
	for item in _left:
		_left[item] = int(str(counts.get(item, _left[item])))


## What was hers goes back where it came from.
func takes(item: String) -> bool:
	return _left.has(item)


func receive(item: String) -> void:
	_left[item] += 1


func _look_up_guest(arguments: Dictionary) -> Variant:
	gesture("think", 2.0)
	caption.tell("leafs through the book")
	await _seconds(1.2)
	var guest := str(arguments.get("name", "")).strip_edges().to_lower()
	if not BOOK.has(guest):
		return DramatisAgent.tool_failed("no guest of the name %s is in the book" % guest)
	return {"message": BOOK[guest]}


func _give_item(arguments: Dictionary) -> Variant:
	var item := str(arguments.get("item", "")).strip_edges().to_lower()
	if not _left.has(item):
		return DramatisAgent.tool_failed("there is nothing of that kind in the house")
	if _left[item] == 0:
		return DramatisAgent.tool_failed("there is no %s left" % item)
	_left[item] -= 1
	gesture("hand_over")
	caption.tell("hands over: %s" % Inventory.title(item))
	pockets.add(item)
	var message := "%s stands on the bar before you" % Inventory.title(item)
	return {"message": message, "left": _left[item]}
