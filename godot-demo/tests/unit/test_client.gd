extends "../game_test.gd"
## The connection of a game: greeting, loss and return, what waits meanwhile, sessions and saves.


func test_it_says_hello() -> void:
	var hello := await received("hello")
	equal([hello["protocol"], hello["session_id"]], ["1", DramatisClient.session_id])
	equal(hello["game"], DramatisClient.game)
	check(not hello.has("token"), "there is no token")
	equal(DramatisClient.limits["max_message_bytes"], 65536.0)


func test_a_token_is_in_the_greeting() -> void:
	DramatisClient.connect_to_server("", "secret")
	equal((await received("hello", 2))["token"], "secret")


func test_another_server_does_not_get_the_token() -> void:
	DramatisClient.connect_to_server("", "secret")
	await received("hello", 2)
	DramatisClient.connect_to_server(server.url + "?another")
	check(not (await received("hello", 3)).has("token"), "it was for the server before")
	DramatisClient.connect_to_server(server.url, "word")
	equal((await received("hello", 4))["token"], "word")


func test_it_tells_how_it_stands() -> void:
	var states := record(DramatisClient.state_changed)
	var greeted := record(DramatisClient.connected)
	DramatisClient.connect_to_server()
	await until(is_online, "a connection")
	DramatisClient.disconnect_from_server()
	var names := states.map(
		func(seen: Array) -> String: return str(DramatisClient.State.find_key(seen[0]))
	)
	equal(names, ["CONNECTING", "ONLINE", "OFFLINE"])
	equal(greeted, [[DramatisClient.session_id, null]] as Array[Array])


func test_an_address_that_is_none_is_told() -> void:
	expects_complaint("Invalid protocol")
	var lost := record(DramatisClient.disconnected)
	DramatisClient.connect_to_server("http://127.0.0.1:1")
	equal(DramatisClient.state, DramatisClient.State.OFFLINE)
	equal(lost[0][0], -1)
	check(str(lost[0][1]).contains("http://127.0.0.1:1"), "it names the address")
	DramatisClient.url = server.url


func test_a_server_that_goes_is_found_again() -> void:
	var lost := record(DramatisClient.disconnected)
	var waits := record(DramatisClient.reconnecting)
	var session := DramatisClient.session_id
	server.stop()
	await until(is_waiting, "the loss")
	equal(lost.size(), 1)
	check(float(str(waits[0][0])) < 1.0, "the first wait is short")
	server.listen()
	await until(is_online, "the return")
	equal((await received("hello", 2))["session_id"], session)


func test_events_wait_for_the_server_in_their_order() -> void:
	var guard := character("guard")
	server.stop()
	await until(is_waiting, "the loss")
	guard.interact("One.")
	guard.notify_event("Two.")
	guard.interact("Three.")
	check(guard.is_busy(), "events wait")
	server.listen()
	await received("interaction_event", 2)
	var texts := server.messages.map(func(each: Dictionary) -> String: return each.get("text", ""))
	equal(texts.slice(2), ["One.", "Two.", "Three."])


func test_the_oldest_event_is_given_up_for_the_65th() -> void:
	var guard := character("guard")
	var dropped := record(guard.event_dropped)
	server.stop()
	await until(is_waiting, "the loss")
	var first := guard.interact("0")
	for number in 64:
		guard.interact(str(number + 1))
	equal(dropped, [[first, "offline"]] as Array[Array])
	server.listen()
	await received("interaction_event", 64)
	equal(server.of_type("interaction_event")[0]["text"], "1")


func test_a_refusal_ends_it() -> void:
	var refusals: Dictionary[int, String] = {4001: "unauthorized", 4009: "session_taken"}
	for code in refusals:
		var errors := record(DramatisClient.failed)
		var lost := record(DramatisClient.disconnected)
		server.close(code, refusals[code])
		await until(is_offline, "the end")
		await frames(30)
		equal(DramatisClient.state, DramatisClient.State.OFFLINE)
		equal(field_of(errors, "code"), refusals[code], "it is told even if only closed")
		equal(lost, [[code, refusals[code]]] as Array[Array])
		DramatisClient.connect_to_server()
		await until(is_online, "a connection")


func test_an_error_is_told_once_though_the_closing_repeats_it() -> void:
	var errors := record(DramatisClient.failed)
	server.send({"type": "error", "code": "session_taken", "message": "…", "retryable": false})
	await until(func() -> bool: return errors.size() > 0, "the error")
	server.close(4009, "session_taken")
	await until(is_offline, "the end")
	equal(errors.size(), 1)


func test_what_goes_on_after_a_shutdown() -> void:
	server.close(1001, "shutdown")
	await until(is_waiting, "the loss")
	await until(is_online, "the return")


func test_an_error_reaches_the_character_that_it_is_about() -> void:
	var guard := character("guard")
	var smith := character("smith")
	var errors := record(guard.failed)
	var others := record(smith.failed)
	server.send(
		{
			"type": "error",
			"code": "provider_error",
			"message": "…",
			"agent_id": "guard",
			"retryable": true
		}
	)
	await until(func() -> bool: return errors.size() > 0, "the error")
	equal(field_of(errors, "code"), "provider_error")
	equal(others.size(), 0)


func test_a_report_is_sent_until_it_is_stored() -> void:
	var guard := character("guard")
	server.stores = false
	guard.interact("Hello.")
	await received("interaction_event")
	server.speak("guard", "t1", "Yes.")
	var report := await received("agent_turn_result")
	for time in 2:
		server.stop()
		await until(is_waiting, "the loss")
		server.stores = time == 1
		server.listen()
		await until(is_online, "the return")
		equal(await received("agent_turn_result", time + 2), report)
	await frames(10)
	server.stop()
	await until(is_waiting, "the loss")
	server.listen()
	await until(is_online, "the return")
	await frames(10)
	equal(server.of_type("agent_turn_result").size(), 3, "stored is stored")


func test_a_message_beyond_the_limit_is_refused_here() -> void:
	var guard := character("guard")
	var errors := record(guard.failed)
	var dropped := record(guard.event_dropped)
	equal(guard.interact("x".repeat(70_000)), "", "it has no id, because it was not sent")
	equal(field_of(errors, "code"), "too_large")
	check(not guard.is_busy(), "nothing waits for an answer")
	equal(dropped[0][1], "refused")
	await frames(5)
	equal(server.of_type("interaction_event").size(), 0)


func test_a_new_session_forgets_what_waited() -> void:
	var guard := character("guard")
	var dropped := record(guard.event_dropped)
	server.stop()
	await until(is_waiting, "the loss")
	guard.interact("Hello?")
	DramatisClient.start_session("another")
	equal(dropped.size(), 1)
	server.listen()
	var hello := await received("hello", 2)
	equal(hello["session_id"], "another")
	await until(is_online, "a connection")
	await frames(5)
	equal(server.of_type("interaction_event").size(), 0)


func test_messages_can_be_watched() -> void:
	var came := record(DramatisClient.message_received)
	var went := record(DramatisClient.message_sent)
	character("guard").interact("Hello.")
	await received("interaction_event")
	server.begin_turn("guard", "t1")
	await until(func() -> bool: return _types(came).has("agent_turn_started"), "the turn")
	check(_types(went).has("interaction_event"), "it was sent")


func _types(seen: Array[Array]) -> Array[String]:
	var types: Array[String] = []
	for each in seen:
		var message: Dictionary = each[0]
		types.append(str(message["type"]))
	return types


func is_waiting() -> bool:
	return DramatisClient.state == DramatisClient.State.WAITING


func is_offline() -> bool:
	return DramatisClient.state == DramatisClient.State.OFFLINE
