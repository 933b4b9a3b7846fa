extends "../game_test.gd"
## Events and turns of a character: what is sent, what the signals tell, and what is reported.

var guard: DramatisAgent


func before() -> void:
	await super()
	guard = character("guard")


func test_an_event_carries_what_it_is_given() -> void:
	var id := guard.interact(
		"Hello.",
		{"id": "player", "name": "Mira"},
		{"at": Vector2(1, 2)},
		{"event_type": "spoke", "interrupt": "queue", "priority": 3}
	)
	equal(
		await received("interaction_event"),
		{
			"type": "interaction_event",
			"agent_id": "guard",
			"event_id": id,
			"text": "Hello.",
			"actor": {"id": "player", "name": "Mira"},
			"data": {"at": "(1.0, 2.0)"},
			"event_type": "spoke",
			"interrupt": "queue",
			"priority": 3.0,
		}
	)
	check(id.length() >= 16, "ids are not counted from 1")


func test_a_notification_starts_nothing() -> void:
	guard.notify_event("It snows.", {}, null, {"event_type": "weather"})
	equal(
		await received("notification_event"),
		{
			"type": "notification_event",
			"agent_id": "guard",
			"text": "It snows.",
			"event_type": "weather"
		}
	)
	check(not guard.is_busy(), "there is nothing to wait for")


func test_a_turn_is_told_as_it_arrives() -> void:
	var order: PackedStringArray = []
	guard.turn_started.connect(func(turn: DramatisTurn) -> void: order.append("start " + turn.id))
	guard.tag_opened.connect(func(tag: DramatisTag) -> void: order.append("open " + tag.name))
	guard.tag_text.connect(func(_tag: DramatisTag, text: String) -> void: order.append(text))
	guard.tag_closed.connect(func(tag: DramatisTag) -> void: order.append("close " + tag.text))
	guard.turn_finished.connect(func(turn: DramatisTurn) -> void: order.append("end " + turn.id))
	await _asks("Hello.")
	equal(guard.is_busy(), true)
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0)
	server.write("guard", "t1", 0, "Good ")
	server.write("guard", "t1", 0, "evening.")
	server.close_tag("guard", "t1", 0)
	server.finish_turn("guard", "t1")
	await received("agent_turn_result")
	equal(
		order,
		PackedStringArray(
			["start t1", "open speech", "Good ", "evening.", "close Good evening.", "end t1"]
		)
	)
	equal(guard.is_busy(), false)
	equal(guard.current_turn.speech(), "Good evening.")


func test_what_nobody_holds_is_reported_at_the_end() -> void:
	await _asks("Hello.")
	server.speak("guard", "t1", "Yes.")
	var report := await received("agent_turn_result")
	equal([report["agent_id"], report["turn_id"]], ["guard", "t1"])
	equal(report["tags"], [{"tag_id": 0.0, "outcome": "done"}])


func test_a_held_tag_is_waited_for() -> void:
	var held := _hold_all()
	await _asks("Hello.")
	server.speak("guard", "t1", "Yes.")
	await until(func() -> bool: return not held.is_empty() and held[0].closed, "the speech")
	await frames(5)
	equal(server.of_type("agent_turn_result").size(), 0)
	check(guard.is_busy(), "it is still being shown")
	held[0].presented_chars = 4
	held[0].finish()
	equal(
		(await received("agent_turn_result"))["tags"],
		[{"tag_id": 0.0, "outcome": "done", "presented_chars": 4.0}]
	)
	check(not guard.is_busy(), "it has been shown")


func test_a_later_word_is_reported_again() -> void:
	await _asks("Hello.")
	server.speak("guard", "t1", "Yes.")
	await received("agent_turn_result")
	guard.current_turn.tags[0].finish("failed", "a gust of wind")
	equal(
		(await received("agent_turn_result", 2))["tags"],
		[{"tag_id": 0.0, "outcome": "failed", "detail": "a gust of wind"}]
	)


func test_an_interruption_cuts_what_is_held() -> void:
	var held := _hold_all()
	var cuts := record(guard.turn_interrupted)
	await _asks("Hello.")
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0)
	server.write("guard", "t1", 0, "Once upon a time")
	await until(func() -> bool: return not held.is_empty() and held[0].text != "", "speech")
	held[0].presented_chars = 4
	server.close_tag("guard", "t1", 0, false)
	server.interrupt_turn("guard", "t1", "newer_event")
	equal(
		(await received("agent_turn_result"))["tags"],
		[{"tag_id": 0.0, "outcome": "partial", "presented_chars": 4.0}]
	)
	equal(cuts, [[guard.current_turn, "newer_event"]] as Array[Array])
	equal(guard.current_turn.status, DramatisTurn.Status.INTERRUPTED)


func test_a_newer_event_cuts_what_is_still_shown_of_the_turn_before() -> void:
	var held := _hold_all()
	await _asks("Hello.")
	server.speak("guard", "t1", "Once upon a time")
	await until(func() -> bool: return not held.is_empty() and held[0].closed, "the speech")
	held[0].presented_chars = 4
	await _asks("Wolves!", 2)
	server.send(_state_question("guard"))
	var report := await received("agent_turn_result")
	equal(report["tags"], [{"tag_id": 0.0, "outcome": "partial", "presented_chars": 4.0}])
	# It is in the prompt of the new turn only if it comes before the state.
	await received("agent_state_snapshot")
	var order := server.messages.map(func(each: Dictionary) -> String: return each["type"])
	check(
		order.find("agent_turn_result") < order.find("agent_state_snapshot"), "the report is first"
	)


func test_a_queued_event_lets_it_be_shown_to_the_end() -> void:
	var held := _hold_all()
	await _asks("Hello.")
	server.speak("guard", "t1", "Once upon a time")
	await until(func() -> bool: return not held.is_empty() and held[0].closed, "the speech")
	guard.interact("And then?", {}, null, {"interrupt": "queue"})
	await received("interaction_event", 2)
	server.send(_state_question("guard"))
	await received("agent_state_snapshot")
	server.speak("guard", "t2", "And then")
	await until(func() -> bool: return held.size() == 2 and held[1].closed, "the next speech")
	check(held[0].is_held() and held[1].is_held(), "both are shown")


func test_a_lost_connection_ends_the_turn() -> void:
	var cuts := record(guard.turn_interrupted)
	var dropped := record(guard.event_dropped)
	await _asks("Hello.")
	server.begin_turn("guard", "t1")
	await until(func() -> bool: return guard.current_turn != null, "a turn")
	var waiting := guard.interact("And then?", {}, null, {"interrupt": "queue"})
	server.stop()
	await until(func() -> bool: return cuts.size() > 0, "the end")
	equal(cuts[0][1], "disconnected")
	equal(dropped, [[waiting, "disconnected"]] as Array[Array])
	check(not guard.is_busy(), "nothing comes any more")


func test_a_dropped_event_is_told() -> void:
	var dropped := record(guard.event_dropped)
	var id := await _asks("Hello.")
	server.send(
		{"type": "event_dropped", "agent_id": "guard", "event_id": id, "reason": "state_timeout"}
	)
	await until(func() -> bool: return dropped.size() > 0, "the drop")
	equal(dropped, [[id, "state_timeout"]] as Array[Array])
	check(not guard.is_busy(), "it is idle")


func test_a_listener_that_is_bound_to_its_tag_does_not_keep_it_for_ever() -> void:
	guard.tag_opened.connect(func(tag: DramatisTag) -> void: tag.cut.connect(_listen.bind(tag)))
	await _asks("Hello.")
	server.speak("guard", "t0", "Once.")
	await received("agent_turn_result")
	var once: WeakRef = weakref(guard.current_turn.tags[0])
	check(is_instance_valid(once.get_ref()), "it was there")
	for number in DramatisAgent.KEPT_TURNS:
		server.speak("guard", "t%d" % (number + 1), "Again.")
		await received("agent_turn_result", number + 2)
	check(not is_instance_valid(once.get_ref()), "nobody holds it")
	var last: WeakRef = weakref(guard.current_turn.tags[0])
	guard.free()
	check(not is_instance_valid(last.get_ref()), "it went with its character")


func test_a_repeated_event_is_not_dropped_by_its_repetition() -> void:
	var dropped := record(guard.event_dropped)
	var id := await _asks("Hello.")
	server.send(
		{"type": "event_dropped", "agent_id": "guard", "event_id": id, "reason": "duplicate"}
	)
	await frames(5)
	check(guard.is_busy(), "the first is still on its way")
	server.begin_turn("guard", "t1")
	await until(func() -> bool: return guard.current_turn != null, "the turn")
	equal(dropped.size(), 0)


func test_a_refused_event_is_told() -> void:
	var dropped := record(guard.event_dropped)
	var id := await _asks("Hello.")
	server.send(
		{
			"type": "error",
			"code": "rate_limited",
			"message": "…",
			"agent_id": "guard",
			"in_reply_to": id,
			"retryable": true
		}
	)
	await until(func() -> bool: return dropped.size() > 0, "the drop")
	equal(dropped, [[id, "refused"]] as Array[Array])


func test_cancel_stops_it_here_and_there() -> void:
	guard.cancel("the player walked away")
	equal(
		await received("cancel_turn"),
		{"type": "cancel_turn", "agent_id": "guard", "reason": "the player walked away"}
	)


func test_a_character_that_goes_is_cancelled_and_reported() -> void:
	var held := _hold_all()
	await _asks("Hello.")
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0)
	server.write("guard", "t1", 0, "Once upon")
	await until(func() -> bool: return not held.is_empty() and held[0].text != "", "speech")
	held[0].presented_chars = 3
	guard.free()
	await received("cancel_turn")
	equal(
		(await received("agent_turn_result"))["tags"],
		[{"tag_id": 0.0, "outcome": "partial", "presented_chars": 3.0}]
	)
	equal(DramatisClient.agent("guard"), null)


func test_of_two_with_one_id_the_newer_counts() -> void:
	expects_complaint("Two DramatisAgents have the agent_id “guard”")
	var twin := character("guard")
	equal(DramatisClient.agent("guard"), twin)
	remove_child(guard)
	equal(DramatisClient.agent("guard"), twin, "the older one leaves alone")
	guard.free()


func test_who_is_stopped_at_the_end_of_a_turn_stops_too() -> void:
	var held := _hold_all()
	await _asks("Hello.")
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0)
	server.write("guard", "t1", 0, "Once upon a time")
	server.close_tag("guard", "t1", 0)
	await until(func() -> bool: return not held.is_empty() and held[0].closed, "the speech")
	held[0].presented_chars = 4
	guard.cancel()
	# It had ended before the server heard of that.
	server.finish_turn("guard", "t1")
	equal(
		(await received("agent_turn_result"))["tags"],
		[{"tag_id": 0.0, "outcome": "partial", "presented_chars": 4.0}]
	)
	check(not guard.is_busy(), "it is quiet")


func _listen(_tag: DramatisTag) -> void:
	pass


## Asks something, and waits until the server has heard it.
func _asks(text: String, count := 1) -> String:
	var id := guard.interact(text)
	await received("interaction_event", count)
	return id


func _asked_state(agent: DramatisAgent) -> Dictionary:
	server.send(_state_question(agent.id()))
	var snapshot := await received("agent_state_snapshot")
	equal([snapshot["request_id"], snapshot["agent_id"]], ["r1", agent.id()])
	return snapshot["state"]


func _state_question(agent_id: String) -> Dictionary:
	return {"type": "get_agent_state", "request_id": "r1", "agent_id": agent_id, "event_id": "e9"}


## Holds every tag from now on.
func _hold_all() -> Array[DramatisTag]:
	var held: Array[DramatisTag] = []
	guard.tag_opened.connect(
		func(tag: DramatisTag) -> void:
			tag.hold()
			held.append(tag)
	)
	return held
