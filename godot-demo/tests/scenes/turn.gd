extends "../trial.gd"
## One character, two lines, two answers.


func play() -> void:
	var guard := character("guard", "Brann")
	guard.situation = {"Now": "Night, snow. The gate is shut."}
	bubble(guard, 400.0)
	await online()
	tell("limits", DramatisClient.limits)
	guard.interact(
		"Let me in!", {"id": "player", "name": "Mira"}, {"at": "gate"}, {"event_type": "knock"}
	)
	await until(func() -> bool: return guard.current_turn != null, "a turn")
	moment()
	await until(func() -> bool: return not guard.is_busy(), "the turn's end")
	guard.notify_event("It has begun to snow.")
	await talk(guard, "Thank you.")
