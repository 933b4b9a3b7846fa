extends "../trial.gd"
## The demo itself: its people are spoken to, and something happens that they only notice.


func play() -> void:
	var people := await enter()
	tell("people", {"ids": people.map(func(each: DramatisAgent) -> String: return each.id())})
	for each in people:
		each.interact("Good evening! What is new?", {"id": "player", "name": "Wren"})
	await until(func() -> bool: return people.any(_speaks), "speech")
	moment()
	for each in people:
		each.notify_event("It has begun to rain.")
	await until(func() -> bool: return people.all(_has_answered), "the answers")


## Goes in, and gives who is there.
func enter() -> Array[DramatisAgent]:
	var main: String = ProjectSettings.get_setting("application/run/main_scene")
	get_tree().change_scene_to_file(main)
	await until(func() -> bool: return not _people().is_empty(), "the tavern")
	await online()
	var people := _people()
	for each in people:
		watch(each)
	return people


func _people() -> Array[DramatisAgent]:
	var people: Array[DramatisAgent] = []
	var scene := get_tree().current_scene
	if scene != null:
		people.assign(scene.find_children("*", "DramatisAgent", true, false))
	return people


func _speaks(agent: DramatisAgent) -> bool:
	return agent.current_turn != null and not agent.current_turn.speech().is_empty()


func _has_answered(agent: DramatisAgent) -> bool:
	return _speaks(agent) and not agent.is_busy()
