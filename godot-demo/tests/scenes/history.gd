extends "../trial.gd"
## The game leaves the server and comes back: the character remembers.


func play() -> void:
	var guard := character("guard", "Brann")
	bubble(guard, 400.0)
	await online()
	await talk(guard, "My name is Mira.")
	DramatisClient.disconnect_from_server()
	tell("left")
	await get_tree().create_timer(0.2).timeout
	DramatisClient.connect_to_server()
	await online()
	moment()
	await talk(guard, "Who am I?")
