extends "../trial.gd"
## A character is talked over while he speaks: once while the model still writes, once when it has
## written everything and the player is still reading.


func play() -> void:
	var guard := character("guard", "Brann")
	bubble(guard, 60.0)
	await online()
	var told: DramatisTurn = null
	for line: String in ["Tell me of the king.", "Tell me of the queen."]:
		guard.interact(line)
		await until(func() -> bool: return guard.current_turn != told, "a turn")
		told = guard.current_turn
		await said(guard, 21)
		moment()
		guard.interact("Wolves!")
		await until(func() -> bool: return not guard.is_busy(), "the answer to the warning")
