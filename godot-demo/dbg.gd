extends Node
var tavern: Tavern
func shot(n: String) -> void:
	await RenderingServer.frame_post_draw
	get_viewport().get_texture().get_image().save_png("/tmp/p/d_%s.png" % n)
	print(n, " ", Time.get_ticks_msec(), " fps ", Engine.get_frames_per_second())
func secs(n: float) -> void:
	await get_tree().create_timer(n).timeout
func up_to(c: Character) -> void:
	tavern.player.go(tavern.room.place_beside(c.position, tavern.player.position))
	await tavern.player.arrived
	await secs(0.3)
func quiet(c: Character) -> void:
	await secs(0.6)
	while c.agent.is_busy() or c.speech.is_busy():
		await get_tree().process_frame
func _ready() -> void:
	DramatisClient.message_received.connect(func(m: Dictionary) -> void:
		if m["type"] in ["error", "event_dropped", "agent_turn_interrupted"]: print(m))
	DramatisClient.message_sent.connect(func(m: Dictionary) -> void:
		if m["type"] in ["agent_turn_result", "tool_results"]: print(m))
	tavern = (load("res://tavern/tavern.tscn") as PackedScene).instantiate()
	add_child(tavern)
	await secs(1.0)
	await up_to(tavern.lio)
	tavern.say("Tell me your longest story, Lio.")
	await secs(0.4)
	await shot("1")
	await secs(4.0)
	await shot("2")
	tavern.say("Wait, Lio. What happened to the lantern outside?")
	await secs(0.5)
	await shot("3")
	await quiet(tavern.lio)
	await shot("4")
	await up_to(tavern.maren)
	tavern.say("Good evening! Would you look up my name in the book? It is Wren.")
	await secs(2.5)
	await shot("5")
	await quiet(tavern.maren)
	await shot("6")
	tavern.let_it_rain()
	await secs(5)
	tavern.say("Have you any oil to spare?")
	await secs(2.5)
	await shot("7")
	await quiet(tavern.maren)
	await shot("8")
	await up_to(tavern.oswin)
	tavern.say("Would you light the lantern outside?")
	await quiet(tavern.oswin)
	await shot("9")
	tavern.offer("oil")
	await quiet(tavern.oswin)
	tavern.say("Please light the lantern!")
	await secs(4)
	await shot("10")
	await quiet(tavern.oswin)
	await secs(8)
	await shot("11")
	tavern.say("Could you open the door for me?")
	await quiet(tavern.oswin)
	await shot("12")
	tavern.settings.open()
	await secs(0.5)
	await shot("13")
	get_tree().quit()
