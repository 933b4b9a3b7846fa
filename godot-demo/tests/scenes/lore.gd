extends "tavern.gd"
## The people of the demo are asked for what only the server's assets tell them.

const QUESTIONS: Dictionary[String, String] = {
	"maren": "Who lies above the kitchen?",
	"oswin": "Two strokes of the bell. A boat that sees nothing?",
	"lio": "Who buys your songs by the verse?",
}


func play() -> void:
	var people := await enter()
	for each in people:
		var id := each.id()
		@warning_ignore("redundant_await")
		tell("described", {"agent": id, "state": await each._get_agent_state()})
	for each in people:
		each.interact(QUESTIONS[each.id()], {"id": "player", "name": "Wren"})
	await until(func() -> bool: return people.any(_speaks), "speech")
	moment()
	await until(func() -> bool: return people.all(_has_answered), "the answers")
