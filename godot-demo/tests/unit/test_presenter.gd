extends "../game_test.gd"
## DramatisSpeech: types what arrives, at its pace, and counts what could be read.

var guard: DramatisAgent
var label: RichTextLabel
var speech: DramatisSpeech


func before() -> void:
	await super()
	guard = character("guard")
	label = RichTextLabel.new()
	speech = DramatisSpeech.new()
	speech.agent = guard
	speech.label = label
	speech.characters_per_second = 400.0
	speech.linger = 0.0
	guard.add_child(label)
	guard.add_child(speech)
	guard.interact("Hello.")
	await received("interaction_event")
	checks = 0


func test_a_speech_is_typed_and_reported() -> void:
	var started := record(speech.started)
	var finished := record(speech.finished)
	server.speak("guard", "t1", "Good evening.")
	var report := await received("agent_turn_result")
	equal(report["tags"], [{"tag_id": 0.0, "outcome": "done", "presented_chars": 13.0}])
	equal([started.size(), finished.size()], [1, 1])


func test_the_label_never_shows_more_than_is_counted() -> void:
	speech.characters_per_second = 60.0
	_begin("A long speech that takes its time.")
	for step in 20:
		await frames(1)
		if guard.current_turn != null and not guard.current_turn.tags.is_empty():
			equal(_shown().length(), maxi(guard.current_turn.tags[0].presented_chars, 0))
	check("A long speech that takes its time.".begins_with(_shown()), "it is typed from the left")


func test_text_is_shown_while_it_streams() -> void:
	_begin("Once")
	await until(func() -> bool: return _shown() == "Once", "the first word")
	server.write("guard", "t1", 0, " upon")
	await until(func() -> bool: return _shown() == "Once upon", "the second")
	equal(server.of_type("agent_turn_result").size(), 0)
	check(guard.current_turn.tags[0].is_held(), "more may come")


func test_what_comes_is_added_to_what_stands_there() -> void:
	_begin("One [b")
	await until(func() -> bool: return _shown() == "One [b", "the first piece")
	server.write("guard", "t1", 0, "]two\nthree")
	await until(func() -> bool: return _shown() == "One [b]two\nthree", "the second")
	# Somebody else writes on it, or another label takes its place.
	label.text = "mine"
	server.write("guard", "t1", 0, " four")
	await until(func() -> bool: return _shown() == "One [b]two\nthree four", "the third")
	var other := RichTextLabel.new()
	guard.add_child(other)
	speech.label = other
	server.write("guard", "t1", 0, " five")
	var all := "One [b]two\nthree four five"
	await until(func() -> bool: return other.get_parsed_text() == all, "the fourth")


func test_it_takes_its_time() -> void:
	speech.characters_per_second = 50.0
	var began := Time.get_ticks_msec()
	server.speak("guard", "t1", "x".repeat(20))
	await received("agent_turn_result")
	var took := Time.get_ticks_msec() - began
	check(took >= 350 and took < 1500, "20 characters at 50 a second took %d ms" % took)


func test_characters_are_code_points() -> void:
	server.speak("guard", "t1", "Grüße, 🐺 Wölfin!")
	equal((await received("agent_turn_result"))["tags"][0]["presented_chars"], 16.0)


func test_markup_is_text() -> void:
	server.speak("guard", "t1", "[b]no[/b] <i>markup</i>")
	var report := await received("agent_turn_result")
	equal(report["tags"][0]["presented_chars"], 23.0)


func test_an_interruption_stops_it_where_it_is() -> void:
	speech.linger = 5.0
	speech.characters_per_second = 60.0
	_begin("A long speech that takes its time.")
	await until(func() -> bool: return _shown().length() >= 5, "five characters")
	server.close_tag("guard", "t1", 0, false)
	server.interrupt_turn("guard", "t1", "newer_event")
	var finished := record(speech.finished)
	await until(func() -> bool: return finished.size() > 0, "the cut")
	var shown := _shown()
	var result: Dictionary = (await received("agent_turn_result"))["tags"][0]
	equal(result["outcome"], "partial")
	equal(result["presented_chars"], float(shown.length()))
	check(shown.length() >= 5 and shown.length() < 34, "it stopped in the middle: %s" % shown)


func test_what_never_began_to_show_was_not_seen() -> void:
	speech.characters_per_second = 20.0
	_begin("A long speech that takes its time.")
	server.close_tag("guard", "t1", 0)
	server.open_tag("guard", "t1", 1)
	server.write("guard", "t1", 1, "Never read.")
	await until(func() -> bool: return _shown().length() >= 2, "two characters")
	server.close_tag("guard", "t1", 1, false)
	server.interrupt_turn("guard", "t1", "newer_event")
	var results: Array = (await received("agent_turn_result"))["tags"]
	equal(results[1], {"tag_id": 1.0, "outcome": "partial", "presented_chars": 0.0})


func test_speeches_follow_each_other() -> void:
	var shown: Array[String] = []
	speech.finished.connect(func(tag: DramatisTag) -> void: shown.append(tag.text))
	server.begin_turn("guard", "t1")
	for number in 3:
		server.open_tag("guard", "t1", number)
		server.write("guard", "t1", number, "Part %d." % number)
		server.close_tag("guard", "t1", number)
	server.finish_turn("guard", "t1")
	await received("agent_turn_result")
	equal(shown, ["Part 0.", "Part 1.", "Part 2."] as Array[String])


func test_skip_shows_all_that_has_arrived() -> void:
	speech.characters_per_second = 1.0
	_begin("A long speech that takes its time.")
	await until(func() -> bool: return _text_of(0) != "", "text")
	await frames(2)
	speech.skip()
	equal(_shown(), "A long speech that takes its time.")
	server.close_tag("guard", "t1", 0)
	server.finish_turn("guard", "t1")
	equal((await received("agent_turn_result"))["tags"][0]["presented_chars"], 34.0)


func test_actions_are_left_to_others() -> void:
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0, {"tag": "nod", "kind": "action"})
	server.close_tag("guard", "t1", 0)
	server.finish_turn("guard", "t1")
	equal((await received("agent_turn_result"))["tags"], [{"tag_id": 0.0, "outcome": "done"}])


func test_what_has_been_said_long_ago_is_forgotten() -> void:
	speech.characters_per_second = 100_000.0
	server.speak("guard", "t0", "Once.")
	await received("agent_turn_result")
	var once: WeakRef = weakref(guard.current_turn.tags[0])
	check(is_instance_valid(once.get_ref()), "it was there")
	for number in DramatisAgent.KEPT_TURNS:
		server.speak("guard", "t%d" % (number + 1), "Again.")
		await received("agent_turn_result", number + 2)
	check(not is_instance_valid(once.get_ref()), "nobody holds it")


func test_a_plain_label_will_do() -> void:
	var plain := Label.new()
	speech.label = plain
	guard.add_child(plain)
	server.speak("guard", "t1", "Good evening.")
	await until(func() -> bool: return plain.text == "Good evening.", "the text")
	await received("agent_turn_result")


func test_without_it_the_turn_is_reported_all_the_same() -> void:
	speech.characters_per_second = 20.0
	_begin("A long speech that takes its time.")
	await until(func() -> bool: return _shown().length() >= 2, "two characters")
	var shown := _shown().length()
	speech.free()
	server.close_tag("guard", "t1", 0)
	server.finish_turn("guard", "t1")
	var result: Dictionary = (await received("agent_turn_result"))["tags"][0]
	equal(result, {"tag_id": 0.0, "outcome": "partial", "presented_chars": float(shown)})


## The model begins a speech and goes on writing.
func _begin(text: String) -> void:
	server.begin_turn("guard", "t1")
	server.open_tag("guard", "t1", 0)
	server.write("guard", "t1", 0, text)


func _shown() -> String:
	var text := label.get_parsed_text()
	return text if label.visible_characters < 0 else text.left(label.visible_characters)


func _text_of(tag_id: int) -> String:
	var turn := guard.current_turn
	return turn.tags[tag_id].text if turn != null and turn.tags.size() > tag_id else ""
