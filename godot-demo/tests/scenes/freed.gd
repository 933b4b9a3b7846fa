extends "../trial.gd"
## Characters disappear while they speak, and while a tool of theirs runs; the others go on.


func play() -> void:
	var guard := character("guard", "Brann")
	var smith := character("smith", "Hilda")
	var cook := character("cook", "Marta")
	var baker := character("baker", "Odo")
	bubble(guard, 60.0)
	bubble(smith, 60.0)
	bubble(baker, 400.0)
	cook.register_tool("taste", _taste.bind(cook), "Taste the soup.")
	await online()
	for each: DramatisAgent in [guard, smith, cook, baker]:
		each.interact("Tell me of the king.")
	await until(func() -> bool: return _speaks(guard) and _speaks(smith), "speech")
	moment()
	guard.queue_free()
	smith.free()
	tell("freed")
	await until(func() -> bool: return not has_node("Marta"), "the cook to be gone")
	await until(func() -> bool: return not baker.is_busy(), "the baker's answer")
	await talk(baker, "Where is everybody?")


func _speaks(agent: DramatisAgent) -> bool:
	return agent.current_turn != null and agent.current_turn.speech() != ""


func _taste(_arguments: Dictionary, cook: DramatisAgent) -> Variant:
	cook.queue_free()
	await get_tree().create_timer(0.1).timeout
	return "delicious"
