extends "../trial.gd"
## A game is saved, goes on, and is loaded again: what came after the save never happened.


func play() -> void:
	var guard := character("guard", "Brann")
	await online()
	await talk(guard, "The password is swallow.")
	var saved := JSON.stringify(DramatisClient.save_point())
	tell("saved", {"point": saved})
	await talk(guard, "No, it is raven.")
	moment()
	var point: Dictionary = JSON.parse_string(saved)
	DramatisClient.resume(point)
	await until(
		func() -> bool: return DramatisClient.session_id != point["session_id"], "another session"
	)
	await online()
	await talk(guard, "What is the password?")
	# The save point is still good.
	DramatisClient.resume(point)
	await online()
	await talk(guard, "And now?")
