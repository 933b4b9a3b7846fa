extends "../trial.gd"
## The game changes its scene while a character speaks; he stands in the next one, too.


func play() -> void:
	await online()
	await _enter("Yard")
	var before := _guard()
	before.interact("Tell me of the king.")
	await until(
		func() -> bool: return before.current_turn != null and before.current_turn.speech() != "",
		"speech"
	)
	moment()
	before = null
	await _enter("Gate")
	tell("changed")
	var guard := _guard()
	watch(guard)
	await talk(guard, "Here you are again.")


func _enter(scene_name: String) -> void:
	var place := Node2D.new()
	place.name = scene_name
	var agent := DramatisAgent.new()
	agent.name = "Guard"
	agent.agent_id = "guard"
	agent.character_name = "Brann"
	place.add_child(agent)
	agent.owner = place
	var label := RichTextLabel.new()
	agent.add_child(label)
	label.owner = place
	var speech := DramatisSpeech.new()
	speech.label = label
	agent.add_child(speech)
	speech.owner = place
	var scene := PackedScene.new()
	scene.pack(place)
	place.free()
	get_tree().change_scene_to_packed(scene)
	await until(
		func() -> bool:
			var current := get_tree().current_scene
			return current != null and current.name == scene_name,
		"the scene"
	)


func _guard() -> DramatisAgent:
	return get_tree().current_scene.get_node("Guard")
