class_name Oswin
extends Character
## Guards the door, and is the one to light the lantern on the landing, once he has oil for it.

signal lantern_lit
## What this character has done to the door, in words.
signal door_moved(what: String)

const OUTSIDE_SECONDS := 3.0

var has_oil := false


func _ready() -> void:
	super()
	agent.register_tool("open_door", _open_door)
	agent.register_tool("bar_door", _bar_door)


func reset() -> void:
	super()
	has_oil = false


func _act(deed: String, tag: DramatisTag) -> String:
	match deed:
		"light_lantern":
			caption.tell("goes out to the landing")
			return await _go_outside(_light_lantern)
		"bar_the_way":
			caption.tell("stands in the way")
			gesture(deed, 3.0)
			await _seconds(2.0)
			return ""
	return await super(deed, tag)


## Goes out, does something there, and comes back.
func _go_outside(what: Callable) -> String:
	if not await walk_to(Room.PLACES["door"]):
		return "did not get there"
	if room.door.is_barred:
		return "the door is barred"
	room.door.open()
	await _fade(0.0)
	var problem: String = what.call()
	await _seconds(OUTSIDE_SECONDS)
	await _fade(1.0)
	room.door.shut()
	return problem


func _fade(to: float) -> void:
	var tween := create_tween()
	tween.tween_property(self, "modulate:a", to, 0.4)
	await tween.finished


func _light_lantern() -> String:
	if room.weather.lantern_burns:
		return "it burns already"
	if not has_oil:
		return "there is no oil in it"
	has_oil = false
	room.weather.light_lantern()
	lantern_lit.emit()
	return ""


func _open_door(_arguments: Dictionary) -> Variant:
	if room.door.is_open:
		return DramatisAgent.tool_failed("the door stands open already")
	if not await walk_to(Room.PLACES["door"]):
		return DramatisAgent.tool_failed("did not get to the door")
	room.door.open()
	door_moved.emit("Oswin has opened the door, and the night blows in")
	return {"message": "the door stands open"}


func _bar_door(_arguments: Dictionary) -> Variant:
	if room.door.is_barred:
		return DramatisAgent.tool_failed("the bar is in its place already")
	if not await walk_to(Room.PLACES["door"]):
		return DramatisAgent.tool_failed("did not get to the door")
	room.door.bar()
	door_moved.emit("Oswin has barred the door")
	return {"message": "the door is shut and barred"}
