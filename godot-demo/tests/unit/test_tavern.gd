extends "../game_test.gd"
## The demo: what a save brings back, where people stand, what becomes of what is offered, and what
## is seen of what is said.

var tavern: Tavern


func before() -> void:
	await super()
	var scene: PackedScene = load("res://tavern/tavern.tscn")
	tavern = scene.instantiate()
	add_child(tavern)
	checks = 0


func test_a_save_brings_back_how_everything_stood() -> void:
	tavern.room.door.open()
	tavern.room.weather.let_it_rain()
	tavern.room.weather.light_lantern()
	tavern.lio.position = Vector2(250, 500)
	tavern.player.position = Vector2(520, 540)
	tavern.player.facing = -1.0
	tavern.save_game()

	tavern.room.door.bar()
	tavern.room.weather.set_to(false, false, 0.0)
	tavern.lio.position = Vector2(600, 460)
	tavern.player.go(Vector2(90, 540))
	tavern.load_game()

	equal(tavern.room.door.in_words(), "open", "the door")
	check(tavern.room.weather.is_raining, "it rains")
	check(tavern.room.weather.lantern_burns, "the lantern burns")
	equal(tavern.lio.position, Vector2(250, 500), "Lio")
	equal(tavern.player.position, Vector2(520, 540), "Wren")
	equal(tavern.player.facing, -1.0, "where Wren looks")
	check(not tavern.player.is_walking(), "who is put somewhere stays there")
	var scene: String = tavern.oswin.agent.situation["Scene"]
	check(scene.contains("The door: open"), "Oswin is told how the door stands: %s" % scene)


func test_a_door_that_was_not_barred_is_not_barred_after_loading() -> void:
	tavern.save_game()
	tavern.room.door.bar()
	tavern.load_game()
	equal(tavern.room.door.in_words(), "shut")
	tavern.room.door.bar()
	tavern.save_game()
	tavern.room.door.open()
	tavern.load_game()
	equal(tavern.room.door.in_words(), "barred")


func test_a_boat_on_its_way_still_lands_after_loading() -> void:
	tavern.room.weather.set_to(false, true, 0.995)
	tavern.save_game()
	tavern.room.weather.set_to(false, false, 0.0)
	tavern.load_game()
	var event := await received("interaction_event")
	equal(event["event_type"], "boat_landed")


func test_one_escape_closes_the_screen_of_the_server() -> void:
	for field: String in ["Url", "Token"]:
		_press(KEY_ESCAPE)
		await frames(2)
		check(tavern.settings.visible, "it opens")
		var edit: LineEdit = tavern.settings.get_node("%" + field)
		edit.edit()
		check(edit.is_editing(), "the field has the keys")
		_press(KEY_ESCAPE)
		await frames(2)
		check(not tavern.settings.visible, "it closes from the field %s" % field)


func test_nobody_stands_where_somebody_stands() -> void:
	for place in Room.PLACES:
		tavern.player.position = Room.PLACES[place]
		for somebody in tavern.people:
			await _send_to(somebody, place)
		_check_apart(place)
		for somebody in tavern.people:
			var distance := somebody.destination().distance_to(tavern.player.position)
			check(distance < 200.0, "%s goes to the %s" % [somebody.name, place])


func test_the_player_walks_to_a_free_place_from_which_one_can_talk() -> void:
	var bar := tavern.room.place_beside(tavern.maren.position, tavern.player.position)
	tavern.lio.position = bar
	tavern.player.go(bar, tavern.maren.position)
	_check_apart("bar")
	var distance := tavern.player.destination().distance_to(tavern.maren.position)
	check(distance < Tavern.TALK_DISTANCE, "near enough: %d" % distance)


func test_who_has_no_use_for_a_thing_gives_it_back() -> void:
	await _meet(tavern.lio)
	tavern.offer("letter")
	var note := await received("notification_event")
	equal(note["event_type"], "item_given_back")
	equal(note["agent_id"], "lio")
	var event := await received("interaction_event")
	equal(event["event_type"], "player_offered_item")
	equal(event["data"], {"item": "letter"})
	var refused := record(tavern.lio.item_refused)
	server.speak("lio", "t1", "No.")
	await until(func() -> bool: return not refused.is_empty(), "the letter back")
	equal(tavern.pockets.items, ["letter"] as Array[String])


func test_a_thing_changes_hands_when_its_taker_turns_to_it() -> void:
	tavern.pockets.add("oil")
	await _meet(tavern.oswin)
	tavern.offer("oil")
	tavern.offer("oil")
	await received("interaction_event")
	await frames(3)
	equal(server.of_type("interaction_event").size(), 1, "it is offered once")
	check("oil" in tavern.pockets.items, "it isn't gone before")
	check(not tavern.oswin.has_oil, "Oswin hasn't got it yet")
	server.speak("oswin", "t1", "Oil.")
	await until(func() -> bool: return tavern.oswin.has_oil, "the oil")
	equal(tavern.pockets.items, ["letter"] as Array[String])
	check(not tavern.oswin.takes("oil"), "one jar is enough")


func test_an_offer_that_nobody_hears_of_costs_nothing() -> void:
	await _meet(tavern.oswin)
	tavern.offer("letter")
	await received("interaction_event")
	server.close(1001, "gone")
	await until(
		func() -> bool: return not tavern.oswin.is_offered("letter"), "the end of the offer"
	)
	equal(tavern.pockets.items, ["letter"] as Array[String])


func test_the_people_are_those_of_the_sample_world() -> void:
	for somebody in tavern.people:
		var id := str(somebody.name).to_lower()
		@warning_ignore("redundant_await")
		var state: Dictionary = await somebody.agent._get_agent_state()
		equal([state["world_id"], state["character_id"]], ["drowned_lantern", id], id)


func test_the_panel_shows_what_a_prompt_was_made_of() -> void:
	await _meet(tavern.lio)
	tavern.say("Who put the lantern out?")
	await received("interaction_event")
	server.begin_turn("lio", "t1")
	var context := {"tokens": 1204, "budget": 16000, "turns": 0, "lore": 2, "memories": 1}
	server.finish_turn("lio", "t1", {"context": context})
	var line := "1204 of 16000 tokens  ·  2 lore  ·  1 memory"
	await until(func() -> bool: return _panel_text().ends_with(line), "the line")


func test_what_there_was_none_of_is_not_shown() -> void:
	var context: Dictionary[String, int] = {"tokens": 9, "budget": 10, "entries": 1, "lore": 0}
	equal(TurnCard.context_in_words(context), "9 of 10 tokens  ·  1 entry")
	context["entries"] = 2
	context["left_out"] = 3
	equal(TurnCard.context_in_words(context), "9 of 10 tokens  ·  2 entries  ·  3 left out")


func test_empty_pockets_have_no_label() -> void:
	var carried: Control = tavern.side_panel.get_node("%Carried")
	check(carried.visible, "the letter")
	tavern.pockets.replace([])
	check(not carried.visible, "nothing")


func test_the_newer_bubble_yields() -> void:
	var older := Rect2(300, 200, 280, 90)
	var wish := Rect2(360, 240, 200, 60)
	var above := Bubble.free_place(wish, [older])
	check(above.y + wish.size.y < older.position.y, "upwards: %s" % above)
	equal(above.x, wish.position.x)
	equal(Bubble.free_place(Rect2(20, 20, 100, 60), [older]), Vector2(20, 20), "there is room")
	var high := Rect2(300, 10, 280, 90)
	var beside := Bubble.free_place(Rect2(320, 12, 200, 60), [high])
	check(not Rect2(beside, Vector2(200, 60)).intersects(high), "sideways: %s" % beside)
	check(Bubble.STAGE.encloses(Rect2(beside, Vector2(200, 60))), "inside the screen")


func test_what_two_say_beside_each_other_can_be_read() -> void:
	tavern.lio.position = Vector2(300, 500)
	tavern.oswin.position = Vector2(380, 500)
	tavern.player.position = Vector2(340, 540)
	for somebody: Character in [tavern.oswin, tavern.lio]:
		somebody.bubble.begin()
		somebody.bubble.label.text = (
			"The lantern on the landing has been dark for nights. ".repeat(3)
		)
	tavern.player.say("Good evening to both of you, and what is new here?")
	await frames(4)
	var bubbles: Array[Bubble] = [tavern.oswin.bubble, tavern.lio.bubble, tavern.player.bubble]
	for one in bubbles:
		check(Bubble.STAGE.encloses(one.get_rect()), "%s's is inside the screen" % one.speaker)
		for other in bubbles:
			var apart := one == other or not one.get_rect().intersects(other.get_rect())
			check(apart, "%s's hides %s's" % [one.speaker, other.speaker])


## What stands on the newest card of a turn; empty: there is none.
func _panel_text() -> String:
	var cards := tavern.side_panel.find_children("*", "TurnCard", true, false)
	if cards.is_empty():
		return ""
	var text: RichTextLabel = cards[-1].get_node("Text")
	return text.get_parsed_text()


func _press(key: Key) -> void:
	var event := InputEventKey.new()
	event.keycode = key
	event.physical_keycode = key
	event.pressed = true
	get_viewport().push_input(event)


## Somebody is asked to go somewhere, and sets out.
func _send_to(somebody: Character, place: String) -> void:
	server.messages.clear()
	somebody.agent.interact("Go!")
	await received("interaction_event")
	var id := somebody.agent.id()
	var turn := "%s_%s" % [id, place]
	var fields := {"tag": "go_to", "kind": "action", "attributes": {"place": place}}
	server.begin_turn(id, turn)
	server.open_tag(id, turn, 0, fields)
	server.close_tag(id, turn, 0)
	server.finish_turn(id, turn)
	var has_ended := func() -> bool: return somebody.agent.current_turn.id == turn
	await until(func() -> bool: return somebody.agent.current_turn != null, "a turn")
	await until(has_ended, "the turn of the %s" % place)
	await frames(3)


func _check_apart(where: String) -> void:
	var figures := get_tree().get_nodes_in_group(Figure.GROUP)
	equal(figures.size(), 4, "everybody")
	for one: Figure in figures:
		for other: Figure in figures:
			var apart := ((one.destination() - other.destination()) / Room.BODY).length()
			check(one == other or apart >= 1.0, "%s: %s, %s" % [where, one.name, other.name])


## The player stands before somebody.
func _meet(somebody: Character) -> void:
	tavern.player.position = somebody.position + Vector2(80, 40)
	await until(func() -> bool: return tavern.partner == somebody, "somebody near")
