extends "../unit_test.gd"
## What a character can do, as the server reads it.


func test_a_tag_tells_what_it_needs_to() -> void:
	var tag := DramatisTagDefinition.new()
	tag.name = "nod"
	equal(tag.to_message(), {"name": "nod", "kind": "action"})


func test_a_tag_tells_everything_that_is_set() -> void:
	var tone := DramatisAttributeDefinition.new()
	tone.name = "tone"
	tone.description = "How it sounds."
	tone.values = ["calm", "angry"]
	tone.required = true
	var loudness := DramatisAttributeDefinition.new()
	loudness.name = "loudness"
	loudness.type = DramatisAttributeDefinition.Type.INTEGER
	var tag := DramatisTagDefinition.new()
	tag.name = "speech"
	tag.description = "What you say aloud."
	tag.kind = DramatisTagDefinition.Kind.SPEECH
	tag.attributes = [tone, loudness]
	tag.must_finish = true
	equal(
		tag.to_message(),
		{
			"name": "speech",
			"description": "What you say aloud.",
			"kind": "speech",
			"attributes":
			[
				{
					"name": "tone",
					"description": "How it sounds.",
					"values": ["calm", "angry"],
					"required": true
				},
				{"name": "loudness", "type": "integer"},
			],
			"interruptible": false,
		}
	)


func test_a_tool_without_text() -> void:
	var tag := DramatisTagDefinition.new()
	tag.name = "roll"
	tag.kind = DramatisTagDefinition.Kind.TOOL
	tag.has_text = false
	equal(tag.to_message(), {"name": "roll", "kind": "tool", "content": "none"})


func test_names() -> void:
	var tag := DramatisTagDefinition.new()
	for good: String in ["a", "_a", "look-up", "x.y:z_1", "Speech"]:
		tag.name = good
		check(tag.is_name_valid(), good)
	for bad: String in ["", "1a", "-a", "draw sword", "größe", "a<b"]:
		tag.name = bad
		check(not tag.is_name_valid(), bad)
