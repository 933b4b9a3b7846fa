extends "../trial.gd"
## The server dies in the middle of a turn, and comes back. What the player says meanwhile waits.


func play() -> void:
	var guard := character("guard", "Brann")
	var label := bubble(guard, 60.0)
	guard.turn_interrupted.connect(
		func(_turn: DramatisTurn, _reason: String) -> void: tell("cut", {"text": read(label)})
	)
	await online()
	await talk(guard, "Hello.")
	guard.interact("Tell me of the king.")
	await until(func() -> bool: return guard.current_turn.reason == "", "the next turn")
	await said(guard, 10)
	moment()
	await until(
		func() -> bool: return DramatisClient.state == DramatisClient.State.WAITING, "the loss"
	)
	await until(func() -> bool: return not guard.is_busy(), "the end of the turn")
	guard.interact("Are you there?")
	tell("waits", {"busy": guard.is_busy()})
	await online()
	await until(func() -> bool: return not guard.is_busy(), "the answer")
