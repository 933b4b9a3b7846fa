extends "../unit_test.gd"
## What waits for the server: events while it is away, reports until they are stored, and the game
## itself until the next attempt.

const Connection := preload("res://addons/dramatis/connection.gd")
const OfflineQueue := preload("res://addons/dramatis/offline_queue.gd")
const Unconfirmed := preload("res://addons/dramatis/unconfirmed.gd")


func test_events_wait_in_their_order() -> void:
	var queue := OfflineQueue.new()
	for number in 3:
		equal(queue.add({"number": number}, 0), {})
	equal(queue.take_all().map(_number), [0, 1, 2])
	equal(queue.take_all().size(), 0)


func test_the_oldest_event_makes_room() -> void:
	var queue := OfflineQueue.new()
	for number in OfflineQueue.LIMIT:
		queue.add({"number": number}, 0)
	equal(queue.add({"number": 64}, 0), {"number": 0})
	equal(queue.add({"number": 65}, 0), {"number": 1})
	equal(queue.take_all().size(), 64)


func test_old_events_are_given_up() -> void:
	var queue := OfflineQueue.new()
	queue.add({"number": 0}, 1000)
	queue.add({"number": 1}, 5000)
	equal(queue.take_expired(31_000).size(), 0)
	equal(queue.take_expired(31_001).map(_number), [0])
	equal(queue.take_all().map(_number), [1])


func test_a_report_waits_until_it_is_stored() -> void:
	var unconfirmed := Unconfirmed.new()
	unconfirmed.add(_report("m1", "t1"), 0)
	unconfirmed.add(_report("m2", "t2"), 0)
	check(unconfirmed.confirm("m1"), "it was there")
	check(not unconfirmed.confirm("m1"), "it is gone")
	equal(unconfirmed.take_all(0).map(_message_id), ["m2"])
	equal(unconfirmed.size(), 1)


func test_what_isnt_stored_is_due_again() -> void:
	var unconfirmed := Unconfirmed.new()
	unconfirmed.add(_report("m1", "t1"), 0)
	unconfirmed.add(_report("m2", "t2"), 4000)
	equal(unconfirmed.take_due(9999).size(), 0)
	equal(unconfirmed.take_due(10_000).map(_message_id), ["m1"])
	equal(unconfirmed.take_due(14_000).map(_message_id), ["m2"])
	equal(unconfirmed.take_due(20_000).map(_message_id), ["m1"])


func test_what_was_never_sent_is_due() -> void:
	var unconfirmed := Unconfirmed.new()
	unconfirmed.add(_report("m1", "t1"), 500)
	unconfirmed.add(_report("m2", "t2"), Unconfirmed.NEVER_MS)
	equal(unconfirmed.take_due(500).map(_message_id), ["m2"])
	equal(unconfirmed.take_due(500).size(), 0)


func test_a_newer_report_of_a_turn_replaces_the_older() -> void:
	var unconfirmed := Unconfirmed.new()
	unconfirmed.add(_report("m1", "t1"), 0)
	unconfirmed.add(_report("m2", "t2"), 0)
	unconfirmed.add(_report("m3", "t1"), 0)
	var tool := _report("m4", "t1")
	tool["type"] = "tool_results"
	unconfirmed.add(tool, 0)
	equal(unconfirmed.take_all(0).map(_message_id), ["m2", "m3", "m4"])


func test_reports_are_not_kept_without_end() -> void:
	var unconfirmed := Unconfirmed.new()
	for number in Unconfirmed.LIMIT + 1:
		unconfirmed.add(_report("m%d" % number, "t%d" % number), 0)
	equal(unconfirmed.size(), Unconfirmed.LIMIT)
	check(not unconfirmed.confirm("m0"), "the oldest is gone")


func test_the_wait_doubles_up_to_the_longest() -> void:
	var waits: Array[float] = []
	for attempt in range(1, 8):
		waits.append(Connection.back_off(attempt, 0.5))
	equal(waits, [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0] as Array[float])
	equal(Connection.back_off(1000, 0.5), 15.0)


func test_chance_spreads_the_waits() -> void:
	equal(Connection.back_off(2, 0.0), 0.75)
	equal(Connection.back_off(2, 1.0), 1.25)


func _report(message_id: String, turn_id: String) -> Dictionary:
	return {
		"type": "agent_turn_result", "message_id": message_id, "agent_id": "g", "turn_id": turn_id
	}


func _number(message: Dictionary) -> int:
	return message["number"]


func _message_id(message: Dictionary) -> String:
	return message["message_id"]
