extends "../trial.gd"
## A wrong token, and then the right one.


func play() -> void:
	var guard := character("guard", "Brann")
	await until(
		func() -> bool: return DramatisClient.state == DramatisClient.State.OFFLINE, "the refusal"
	)
	guard.interact("Hello?")
	await get_tree().create_timer(1.5).timeout
	tell("still", {"state": DramatisClient.State.find_key(DramatisClient.state)})
	moment()
	DramatisClient.connect_to_server("", options["right-token"])
	await online()
	await talk(guard, "Hello.")
