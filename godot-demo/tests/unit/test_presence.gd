extends "../game_test.gd"
## Under which name a character is known, and from when to when.

const Porter := preload("res://tests/porter.gd")


func test_a_character_may_be_named_late() -> void:
	var guard := character("guard")
	guard.agent_id = "watch"
	equal([DramatisClient.agent("guard"), DramatisClient.agent("watch")], [null, guard])
	guard.interact("Hello.")
	await received("interaction_event")
	equal(server.last("interaction_event")["agent_id"], "watch")
	server.speak("watch", "t1", "Yes.")
	equal((await received("agent_turn_result"))["agent_id"], "watch")
	guard.free()
	equal(DramatisClient.agent("watch"), null)


func test_a_node_that_is_renamed_is_still_the_same_character() -> void:
	var body := Node2D.new()
	body.name = "Smith"
	var smith := DramatisAgent.new()
	body.add_child(smith)
	add_child(body)
	body.name = "TheSmith"
	equal([smith.id(), DramatisClient.agent("smith")], ["smith", smith])
	body.free()
	equal(DramatisClient.agent("smith"), null)
	equal(DramatisClient.agent("the_smith"), null)


func test_a_script_may_notice_that_its_character_comes_and_goes() -> void:
	var porter := Porter.new()
	porter.agent_id = "porter"
	add_child(porter)
	equal(DramatisClient.agent("porter"), porter)
	remove_child(porter)
	equal(DramatisClient.agent("porter"), null)
	equal(porter.seen, ["in", "out"] as Array[String])
	porter.free()
