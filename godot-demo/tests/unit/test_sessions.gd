extends "../game_test.gd"
## What a loss, a return or another play session finds half done: speech, tools, events, saves.


func test_what_is_being_shown_ends_with_its_session() -> void:
	var guard := character("guard")
	var held := await _hold_a_speech(guard)
	held.presented_chars = 4
	var went := record(DramatisClient.message_sent)
	DramatisClient.start_session("another")
	check(not guard.is_busy(), "nothing is shown any more")
	# On the connection that ends: the server reads it, though the fake is deaf by then.
	equal(_types(went), ["agent_turn_result"])
	equal(
		field_of(went, "tags"),
		[{"tag_id": 0, "outcome": "partial", "presented_chars": 4}] as Array[Dictionary]
	)
	await until(is_online, "a connection")
	held.finish()
	await frames(5)
	equal(server.of_type("agent_turn_result").size(), 0, "the new session has no such turn")


func test_a_turn_that_ends_with_its_connection_is_reported_on_it() -> void:
	var guard := character("guard")
	guard.interact("Hello.")
	await received("interaction_event")
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0)
	server.write("guard", "t1", 0, "Once upon")
	var speaks := func() -> bool:
		return guard.current_turn != null and guard.current_turn.speech() != ""
	await until(speaks, "the speech")
	var went := record(DramatisClient.message_sent)
	DramatisClient.disconnect_from_server()
	equal(_types(went), ["agent_turn_result"])
	# It wasn't confirmed: it is said again.
	DramatisClient.connect_to_server()
	await received("agent_turn_result")


func test_who_hears_of_the_end_may_connect_again() -> void:
	var guard := character("guard")
	guard.event_dropped.connect(
		func(_event: String, _reason: String) -> void: DramatisClient.connect_to_server()
	)
	guard.interact("Hello.")
	DramatisClient.disconnect_from_server()
	await received("hello", 2)
	await until(is_online, "a connection")


func test_a_tool_that_answers_after_its_session_answers_nobody() -> void:
	var guard := character("guard")
	var asked: Array[bool] = []
	guard.register_tool(
		"look",
		func(_a: Dictionary) -> Variant:
			asked.append(true)
			await get_tree().create_timer(0.1).timeout
			asked.append(false)
			return 1
	)
	guard.interact("Look.")
	await received("interaction_event")
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0, {"tag": "look", "kind": "tool"})
	server.close_tag("guard", "t1", 0)
	server.finish_turn("guard", "t1")
	await until(func() -> bool: return asked.size() == 1, "the call")
	await frames(3)
	DramatisClient.start_session("another")
	await until(func() -> bool: return asked.size() == 2, "the answer")
	await frames(5)
	check(not guard.is_busy(), "nobody waits for it")
	equal(server.of_type("tool_results").size(), 0)


func test_a_copy_that_is_not_made_yet_is_saved_as_its_original() -> void:
	var point := {"version": 1, "session_id": "old", "turns": {"guard": "t1"}}
	server.stop()
	await until(is_waiting, "the loss")
	DramatisClient.resume(point)
	equal(DramatisClient.save_point(), point)
	server.listen()
	await until(is_online, "the return")
	equal(DramatisClient.save_point()["session_id"], DramatisClient.session_id)


func test_what_waited_goes_before_what_the_connection_brings() -> void:
	var guard := character("guard")
	server.stop()
	await until(is_waiting, "the loss")
	guard.interact("First.")
	var greet := func(_session: String) -> void: guard.interact("Then.")
	DramatisClient.connected.connect(greet, CONNECT_ONE_SHOT)
	server.listen()
	await received("interaction_event", 2)
	var texts := server.of_type("interaction_event").map(
		func(each: Dictionary) -> String: return each["text"]
	)
	equal(texts, ["First.", "Then."])


func test_an_event_that_meets_a_broken_connection_waits() -> void:
	var guard := character("guard")
	var dropped := record(guard.event_dropped)
	var tidings := {"at": "dawn"}
	DramatisClient._connection.lose("broken")
	check(is_online(), "it isn't known yet")
	check(guard.interact("Hello?", {}, tidings) != "", "it is taken")
	tidings["at"] = "noon"
	var event := await received("interaction_event")
	equal(event["data"], {"at": "dawn"}, "it is told as it was")
	equal(dropped.size(), 0)


func test_what_is_said_because_of_a_loss_waits_for_the_server() -> void:
	var guard := character("guard")
	var dropped := record(guard.event_dropped)
	var smith := character("smith")
	var asked_again: Array[String] = []
	guard.turn_interrupted.connect(
		func(_turn: DramatisTurn, _reason: String) -> void:
			asked_again.append(guard.interact("I said hello!"))
			asked_again.append(smith.interact("Is he well?"))
	)
	var lost := record(smith.event_dropped)
	guard.interact("Hello.")
	await received("interaction_event")
	server.begin_turn("guard", "t1")
	await until(func() -> bool: return guard.current_turn != null, "a turn")
	server.stop()
	await until(func() -> bool: return asked_again.size() == 2, "the end")
	server.listen()
	await received("interaction_event", 3)
	var ids := server.of_type("interaction_event").map(
		func(each: Dictionary) -> String: return each["event_id"]
	)
	equal(ids.slice(1), Array(asked_again))
	equal([dropped.size(), lost.size()], [0, 0])
	check(guard.is_busy() and smith.is_busy(), "they are to answer")


## A turn that has ended and is still being shown.
func _hold_a_speech(guard: DramatisAgent) -> DramatisTag:
	guard.tag_opened.connect(func(tag: DramatisTag) -> void: tag.hold())
	guard.interact("Hello.")
	await received("interaction_event")
	server.speak("guard", "t1", "Once upon a time")
	var has_ended := func() -> bool:
		var turn := guard.current_turn
		return turn != null and turn.status == DramatisTurn.Status.FINISHED
	await until(has_ended, "the end of the turn")
	return guard.current_turn.tags[0]


func _types(went: Array[Array]) -> Array:
	return went.map(func(seen: Array) -> String: return seen[0]["type"])


func is_waiting() -> bool:
	return DramatisClient.state == DramatisClient.State.WAITING


func test_a_save_point_names_the_session_and_the_last_turns() -> void:
	var guard := character("guard")
	equal(DramatisClient.save_point()["turns"], {})
	guard.interact("Hello.")
	await received("interaction_event")
	server.speak("guard", "t1", "Yes.")
	await received("agent_turn_result")
	var point := DramatisClient.save_point()
	equal(point, {"version": 1, "session_id": DramatisClient.session_id, "turns": {"guard": "t1"}})
	equal(JSON.parse_string(JSON.stringify(point)), point.merged({"version": 1.0}, true))


func test_a_saved_game_is_taken_up_in_a_copy() -> void:
	var point := {"version": 1, "session_id": "old", "turns": {"guard": "t1"}}
	DramatisClient.resume(point)
	var hello := await received("hello", 2)
	equal(hello["fork_of"], "old")
	equal(hello["resume_after"], {"guard": "t1"})
	equal(hello["session_id"], DramatisClient.session_id)
	check(DramatisClient.session_id != "old", "the saved session stays")
	await until(is_online, "a connection")
	equal(DramatisClient.save_point()["turns"], {"guard": "t1"})
	# A reconnect goes on in the copy, and copies nothing again.
	server.stop()
	await until(is_waiting, "the loss")
	server.listen()
	var again := await received("hello", 3)
	equal(again["session_id"], hello["session_id"])
	check(not again.has("fork_of"), "it is a copy already")


func test_a_saved_game_that_the_server_does_not_know_is_told_and_the_characters_begin_anew(
) -> void:
	var errors := record(DramatisClient.failed)
	server.greets = false
	DramatisClient.resume({"version": 1, "session_id": "lost", "turns": {"guard": "t1"}})
	var hello := await received("hello", 2)
	server.greets = true
	(
		server
		. send(
			{
				"type": "error",
				"code": "bad_message",
				"message": "there is no play session",
				"field": "fork_of",
				"in_reply_to": hello["message_id"],
				"retryable": false,
			}
		)
	)
	var again := await received("hello", 3)
	equal(field_of(errors, "code"), "unknown_save_point")
	check(not again.has("fork_of"), "it begins anew")
	await until(is_online, "a connection")
	equal(DramatisClient.save_point()["turns"], {})


func test_what_is_no_save_point_is_refused() -> void:
	var errors := record(DramatisClient.failed)
	var session := DramatisClient.session_id
	DramatisClient.resume({"version": 1})
	equal(field_of(errors, "code"), "bad_save_point")
	equal(DramatisClient.session_id, session)
	check(is_online(), "the game goes on")
