@tool
extends DramatisAgent
## A character with a script of its own, which notices when it comes and goes.

var seen: Array[String] = []


func _enter_tree() -> void:
	seen.append("in")


func _exit_tree() -> void:
	seen.append("out")
