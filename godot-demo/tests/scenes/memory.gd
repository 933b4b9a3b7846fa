extends "../trial.gd"
## A character of the sample world answers the next day, from what its world knows and from what its
## history shows no more.


func play() -> void:
	var keeper := character("maren", "Maren")
	keeper.world_id = "drowned_lantern"
	keeper.character_id = "maren"
	keeper.history_turns = 1
	bubble(keeper, 400.0)
	await online()
	await talk(keeper, "My brother Jory owes me a kettle.")
	await talk(keeper, "The weather is nice.")
	DramatisClient.disconnect_from_server()
	await get_tree().create_timer(0.2).timeout
	DramatisClient.connect_to_server()
	await online()
	moment()
	await talk(keeper, "What does Jory owe me?")
	await talk(keeper, "What does a bed cost, in bits?")
