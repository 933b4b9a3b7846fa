extends "../trial.gd"
## A character is told something, and on another day, with [code]--again[/code], asked for it: in
## the same play session, when the history doesn't show that turn any more.


func play() -> void:
	var guard := character("guard", "Brann")
	guard.history_turns = 1
	DramatisClient.start_session("anna")
	await online()
	if options.has("again"):
		await talk(guard, "Good day.")
		moment()
		await talk(guard, "Do you remember where the silver whistle is?")
		return
	await talk(guard, "I have buried the silver whistle under the pear tree.")
	moment()
	await talk(guard, "Good night.")
