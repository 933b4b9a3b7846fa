class_name Inventory
extends Node
## What the player carries.

signal changed

## Everything that there is, with the words for it.
const TITLES: Dictionary[String, String] = {
	"letter": "the sealed letter",
	"ale": "a mug of ale",
	"stew": "a bowl of stew",
	"candle": "a candle",
	"oil": "the jar of oil",
}

var items: Array[String] = ["letter"]


static func title(item: String) -> String:
	return TITLES.get(item, item)


func add(item: String) -> void:
	items.append(item)
	changed.emit()


func remove(item: String) -> void:
	items.erase(item)
	changed.emit()


func replace(with: Array) -> void:
	items.assign(with.filter(func(item: Variant) -> bool: return TITLES.has(item)))
	changed.emit()


## For whoever sees the player.
func in_words() -> String:
	if items.is_empty():
		return "carries nothing"
	return "carries " + ", ".join(items.map(title))
