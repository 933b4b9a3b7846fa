extends "../unit_test.gd"
## A turn as it arrives, and what is reported of it.

var turn: DramatisTurn


func before() -> void:
	turn = (
		DramatisTurn
		. new(
			{
				"type": "agent_turn_started",
				"agent_id": "guard",
				"turn_id": "t1",
				"event_id": "e1",
				"event_ids": ["e1", "e2"],
				"model": "m",
				"origin": "llm",
			}
		)
	)


func test_a_turn_begins_empty() -> void:
	equal([turn.id, turn.event_id, turn.model, turn.origin], ["t1", "e1", "m", "llm"])
	equal(turn.event_ids, ["e1", "e2"])
	equal(turn.status, DramatisTurn.Status.RUNNING)
	equal(turn.speech(), "")
	check(not turn.is_held(), "nothing is held")


func test_text_is_gathered_in_its_tag() -> void:
	var speech := _open(0, "speech", {"attributes": {"tone": "calm"}})
	equal(_write(0, "Grü"), speech)
	_write(0, "ße 🐺")
	equal([speech.text, speech.closed], ["Grüße 🐺", false])
	_close(0)
	equal([speech.closed, speech.complete], [true, true])
	equal([speech.id, speech.parent_id, speech.name, speech.kind], [0, -1, "speech", "speech"])
	equal(speech.attributes, {"tone": "calm"})


func test_tags_stand_in_each_other() -> void:
	_open(0, "action")
	var inner := _open(1, "speech", {"parent_id": 0.0})
	equal(inner.parent_id, 0)
	_write(1, "in")
	_write(0, "out")
	equal(turn.tag(0).text, "out")
	equal(turn.speech(), "in")


func test_a_native_call_has_arguments() -> void:
	var call_tag := _open(0, "tool", {"call_id": "c1", "arguments": {"sides": 6.0}})
	equal([call_tag.call_id, call_tag.arguments], ["c1", {"sides": 6.0}])


func test_speech_is_all_that_is_said() -> void:
	for number in 3:
		_open(number, "speech" if number != 1 else "action")
		_write(number, "%d." % number)
		_close(number)
	equal(turn.speech(), "0. 2.")


func test_text_of_an_unknown_tag_is_passed_over() -> void:
	equal(_write(7, "?"), null)
	equal(turn.tags.size(), 0)


func test_the_end_tells_how_it_went() -> void:
	(
		turn
		. end(
			{
				"type": "agent_turn_finished",
				"finish_reason": "length",
				"model": "other",
				"timings": {"total": 5},
				"usage": {"input_tokens": 1},
				"warnings": {"unclosed": 1},
			}
		)
	)
	equal(turn.status, DramatisTurn.Status.FINISHED)
	equal([turn.reason, turn.model], ["length", "other"])
	equal([turn.timings, turn.usage], [{"total": 5}, {"input_tokens": 1}])
	equal(turn.warnings, {"unclosed": 1})


func test_the_end_tells_what_the_prompt_was_made_of() -> void:
	var none: Dictionary[String, int] = {}
	equal(turn.context, none, "while it runs")
	var json := '''{"type": "agent_turn_finished", "finish_reason": "stop", "context": {"tokens": 1204,
		"budget": 16000, "turns": 2, "entries": 1, "lore": 2, "memories": 1, "left_out": 0}}'''
	var message: Dictionary = JSON.parse_string(json)
	turn.end(message)
	var wanted: Dictionary[String, int] = {
		"tokens": 1204,
		"budget": 16000,
		"turns": 2,
		"entries": 1,
		"lore": 2,
		"memories": 1,
		"left_out": 0,
	}
	equal(turn.context, wanted)


func test_a_server_need_not_tell_what_the_prompt_was_made_of() -> void:
	turn.end({"type": "agent_turn_finished", "finish_reason": "stop"})
	check(turn.context.is_empty(), "nothing is made up: %s" % turn.context)


func test_what_nobody_shows_counts_as_done() -> void:
	_open(0, "speech")
	_close(0)
	_open(1, "action")
	_close(1)
	equal(
		turn.to_results(),
		[{"tag_id": 0, "outcome": "done"}, {"tag_id": 1, "outcome": "done"}] as Array[Dictionary]
	)


func test_what_was_cut_off_on_its_way_counts_as_partial() -> void:
	_open(0, "speech")
	_close(0, false)
	_open(1, "tool")
	_close(1, false)
	equal(_outcomes(), ["partial", "skipped"])


func test_whoever_shows_a_tag_says_what_became_of_it() -> void:
	var action := _open(0, "action")
	_close(0)
	action.hold()
	check(turn.is_held(), "it is held")
	action.finish("failed", "the gate is frozen shut")
	check(not turn.is_held(), "it isn't any more")
	equal(
		turn.to_results()[0],
		{"tag_id": 0, "outcome": "failed", "detail": "the gate is frozen shut"}
	)


func test_counted_characters_are_reported() -> void:
	var speech := _open(0, "speech")
	speech.presented_chars = 3
	_close(0)
	equal(turn.to_results()[0], {"tag_id": 0, "outcome": "done", "presented_chars": 3})


func test_a_cut_stops_what_is_held() -> void:
	var speech := _open(0, "speech")
	var action := _open(1, "action")
	var shown := _open(2, "action")
	var left := _open(3, "speech")
	for tag: DramatisTag in [speech, action, shown, left]:
		tag.hold()
	shown.finish()
	speech.cut.connect(
		func() -> void:
			# Not `speech`: a tag that its own signal holds would never be freed.
			turn.tag(0).presented_chars = 4
			turn.tag(0).finish("partial")
	)
	left.presented_chars = 2
	turn.cut_short()
	equal(_outcomes(), ["partial", "cancelled", "done", "partial"])
	equal(turn.to_results()[0]["presented_chars"], 4)
	equal(turn.to_results()[3]["presented_chars"], 2)
	check(not turn.is_held(), "nothing is held")


func test_a_held_speech_that_nobody_counted_was_not_seen() -> void:
	_open(0, "speech").hold()
	turn.cut_short()
	equal(turn.to_results()[0], {"tag_id": 0, "outcome": "partial", "presented_chars": 0})


func test_a_turn_settles_when_it_has_ended_and_nothing_is_held() -> void:
	var settled: Array[int] = [0]
	turn.settled.connect(func() -> void: settled[0] += 1)
	var speech := _open(0, "speech")
	var other := _open(1, "speech")
	speech.hold()
	other.hold()
	speech.finish()
	equal(settled[0], 0, "it runs")
	turn.end({"type": "agent_turn_finished", "finish_reason": "stop"})
	equal(settled[0], 0, "one is held")
	other.finish()
	equal(settled[0], 1)
	other.finish("failed")
	equal(settled[0], 2, "something else became known")


func _open(tag_id: int, kind: String, more: Dictionary = {}) -> DramatisTag:
	var message := {
		"type": "agent_tag_open",
		"tag_id": float(tag_id),
		"tag": kind,
		"kind": kind,
		"attributes": {},
	}
	message.merge(more, true)
	return turn.take(message)


func _write(tag_id: int, text: String) -> DramatisTag:
	return turn.take({"type": "agent_tag_chunk", "tag_id": float(tag_id), "text": text})


func _close(tag_id: int, complete := true) -> void:
	turn.take({"type": "agent_tag_close", "tag_id": float(tag_id), "complete": complete})


func _outcomes() -> Array:
	return turn.to_results().map(func(result: Dictionary) -> String: return result["outcome"])
