extends "../trial.gd"
## Another play session is entered while a character is still being read, and the first one again.


func play() -> void:
	var guard := character("guard", "Brann")
	bubble(guard, 60.0)
	DramatisClient.start_session("anna")
	await online()
	guard.interact("Tell me of the queen.")
	await said(guard, 20)
	DramatisClient.start_session("ben")
	await online()
	await talk(guard, "I am new here.")
	moment()
	DramatisClient.start_session("anna")
	await online()
	await talk(guard, "Here I am again.")
