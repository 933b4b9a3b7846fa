extends "../trial.gd"
## A smith asks the game twice: the stock, which takes the game a moment, and the forge, which is
## cold.


func play() -> void:
	var smith := character("smith", "Hilda")
	var label := bubble(smith, 400.0)
	smith.register_tool(
		"check_stock", _check_stock, "Look up how many you have.", {"item": "which"}
	)
	smith.register_tool("light_forge", _light_forge, "Light the forge.")
	smith.tag_opened.connect(
		func(tag: DramatisTag) -> void: tell("opened", {"name": tag.name, "label": read(label)})
	)
	await online()
	await talk(smith, "Have you got horseshoes?")
	await _followed_up(smith)
	await talk(smith, "Then light the forge.")
	await _followed_up(smith)


func _check_stock(arguments: Dictionary) -> Variant:
	tell("called", {"tool": "check_stock", "arguments": arguments})
	moment()
	await get_tree().create_timer(0.3).timeout
	return {"count": 12, "price": 3}


func _light_forge(_arguments: Dictionary) -> Variant:
	return DramatisAgent.tool_failed("the coal is wet")


func _followed_up(smith: DramatisAgent) -> void:
	await until(
		func() -> bool: return smith.current_turn.is_follow_up() and not smith.is_busy(),
		"the follow-up"
	)
