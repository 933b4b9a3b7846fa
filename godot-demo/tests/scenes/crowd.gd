extends "../trial.gd"
## Twenty characters are spoken to at once.


func play() -> void:
	var crowd: Array[DramatisAgent] = []
	for number in 20:
		var villager := character("villager_%d" % number)
		bubble(villager, 400.0)
		crowd.append(villager)
	await online()
	for villager in crowd:
		villager.interact("Good morning, %s." % villager.character_name)
	await until(func() -> bool: return crowd.any(_is_speaking), "the first turn")
	moment()
	await until(func() -> bool: return not crowd.any(_is_busy), "all answers")


func _is_speaking(villager: DramatisAgent) -> bool:
	return villager.current_turn != null


func _is_busy(villager: DramatisAgent) -> bool:
	return villager.is_busy()
