extends Node
## Plays the tavern by itself and saves a picture of it: `tools/screenshot` runs this scene. What it
## does is what a player could do; it waits for what was seen and not for time, so that the picture
## is the same each time.
##
##     godot4 res://tavern/screenshot.tscn -- --url=ws://… --save=PICTURE.png

const SAVE := "--save="
## So much of the story is heard before it is cut off.
const HEARD := 118
## The picture's colours lose what no eye sees, and its file a third.
const COLOR_MASK := 0xFC

@onready var _tavern: Tavern = $Tavern


func _ready() -> void:
	if DramatisClient.state != DramatisClient.State.ONLINE:
		await DramatisClient.connected
	_tavern.let_it_rain()
	await _ask_for_the_room()
	await _interrupt_the_story()
	await _seconds(0.9)
	get_tree().quit(await _save(_wanted_path()))


func _ask_for_the_room() -> void:
	var maren := _tavern.maren
	await _walk_up_to(maren)
	_tavern.say("Would you look me up in the book? I am Wren.")
	await _speech_of(maren, 1)
	await maren.speech.finished
	await _speech_of(maren, 1)
	await maren.speech.finished


func _interrupt_the_story() -> void:
	var lio := _tavern.lio
	await _walk_up_to(lio)
	_tavern.say("Tell me your longest story, Lio.")
	await _speech_of(lio, HEARD)
	_tavern.say("Lio. Who put the lantern out?")
	await lio.agent.turn_started


func _walk_up_to(character: Character) -> void:
	var place := _tavern.room.place_beside(character.position, _tavern.player.position)
	_tavern.player.go(place, character.position)
	await _tavern.player.arrived
	await _seconds(0.3)


## Waits until so many characters of what somebody says have been seen.
func _speech_of(character: Character, count: int) -> void:
	while character.bubble.label.visible_characters < count:
		await get_tree().process_frame


func _seconds(count: float) -> void:
	await get_tree().create_timer(count).timeout


func _wanted_path() -> String:
	for argument in OS.get_cmdline_user_args():
		if argument.begins_with(SAVE):
			return argument.trim_prefix(SAVE)
	return "user://tavern.png"


## Gives the exit code.
func _save(path: String) -> int:
	await RenderingServer.frame_post_draw
	var picture := get_viewport().get_texture().get_image()
	picture.convert(Image.FORMAT_RGB8)
	var bytes := picture.get_data()
	for index in bytes.size():
		bytes[index] = bytes[index] & COLOR_MASK
	picture.set_data(picture.get_width(), picture.get_height(), false, Image.FORMAT_RGB8, bytes)
	var problem := picture.save_png(path)
	if problem != OK:
		printerr("%s can't be written: %s" % [path, error_string(problem)])
	return 0 if problem == OK else 1
