extends "../trial.gd"
## The game ends while a character is being read. With [code]--again[/code] it is the next run of
## the game.


func play() -> void:
	var guard := character("guard", "Brann")
	bubble(guard, 60.0)
	DramatisClient.start_session("anna")
	await online()
	if options.has("again"):
		await talk(guard, "Here I am again.")
		return
	guard.interact("Tell me of the queen.")
	await said(guard, 20)
