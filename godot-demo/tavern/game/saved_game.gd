class_name SavedGame
## The save file: the save point of the characters' memories beside the game's own state, as JSON.

const PATH := "user://tavern.json"
## What belongs into it.
const KEYS: Array[String] = ["point", "items", "stock", "oil", "door", "weather", "bell", "people"]


## Writes it. Gives what went wrong; empty: nothing.
static func write(saved: Dictionary) -> String:
	var file := FileAccess.open(PATH, FileAccess.WRITE)
	if file == null:
		return error_string(FileAccess.get_open_error())
	file.store_string(JSON.stringify(saved, "\t"))
	return ""


## Reads it; empty: there is none, or none that can be read.
static func read() -> Dictionary:
	if not FileAccess.file_exists(PATH):
		return {}
	var saved: Variant = JSON.parse_string(FileAccess.get_file_as_string(PATH))
	if saved is Dictionary:
		var entries: Dictionary = saved
		if entries.has_all(KEYS):
			return entries
	return {}
