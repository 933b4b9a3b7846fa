extends "../trial.gd"
## Everything that a character's signals tell, in its order.


func play() -> void:
	var guard := character("guard")
	guard.tag_opened.connect(func(tag: DramatisTag) -> void: _tell("opened", tag))
	guard.tag_text.connect(
		func(tag: DramatisTag, text: String) -> void:
			_tell("text", tag, {"text": text, "is_at_end": tag.text.ends_with(text)})
	)
	guard.tag_closed.connect(func(tag: DramatisTag) -> void: _tell("closed", tag))
	await online()
	guard.interact("Tell me of the king.")
	await until(func() -> bool: return guard.current_turn != null, "a turn")
	moment()
	await until(func() -> bool: return not guard.is_busy(), "the turn's end")


func _tell(what: String, tag: DramatisTag, more: Dictionary = {}) -> void:
	tell(what, {"tag": tag.id, "parent": tag.parent_id, "name": tag.name}.merged(more))
