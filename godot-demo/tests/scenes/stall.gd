extends "../trial.gd"
## The game loads a level in the middle of a turn: nothing is polled for five seconds.


func play() -> void:
	var guard := character("guard", "Brann")
	await online()
	guard.interact("Tell me of the king.")
	await until(
		func() -> bool: return guard.current_turn != null and guard.current_turn.speech() != "",
		"speech"
	)
	moment()
	OS.delay_msec(5000)
	tell("stalled")
	await until(func() -> bool: return not guard.is_busy(), "the turn's end")
	await talk(guard, "Thank you.")
