extends "../trial.gd"
## A reply that is longer than any buffer, and one that the player skips through.


func play() -> void:
	var guard := character("guard", "Brann")
	await online()
	guard.interact("Everything, please.")
	await until(func() -> bool: return guard.current_turn != null, "a turn")
	moment()
	await until(func() -> bool: return not guard.is_busy(), "the turn's end")
