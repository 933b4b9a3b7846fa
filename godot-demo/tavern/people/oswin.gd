class_name Oswin
extends Character
## Guards the door, and is the one to light the lantern on the landing, once he has oil for it.

signal lantern_lit
## What this character has done to the door, in words.
signal door_moved(what: String)

const OUTSIDE_SECONDS := 3.0
const FADE_SECONDS := 0.4
const BAR_THE_WAY_SECONDS := 2.5

var has_oil := false

## What was wrong with the lantern.
var _problem := ""


func _ready() -> void:
	super()
	agent.register_tool("open_door", _open_door)
	agent.register_tool("bar_door", _bar_door)


func reset() -> void:
	super()
	has_oil = false


## One jar is enough, and a lantern that burns needs none.
func takes(item: String) -> bool:
	return super(item) and not (item == "oil" and (has_oil or room.weather.lantern_burns))


func receive(item: String) -> void:
	has_oil = has_oil or item == "oil"


func _begin_deed(deed: String, tag: DramatisTag) -> void:
	match deed:
		"light_lantern":
			caption.tell("goes out to the landing")
			_walk_and(_go_out, Room.PLACES["door"])
		"bar_the_way":
			caption.tell("stands in the way")
			gesture(deed, BAR_THE_WAY_SECONDS)
			_end_deed_after(BAR_THE_WAY_SECONDS)
		_:
			super(deed, tag)


## Out, to the lantern, and back.
func _go_out(reached_door: bool) -> void:
	if not reached_door or room.door.is_barred:
		_end_deed("the door is barred" if reached_door else "did not get to the door")
		return
	var was_open := room.door.is_open
	room.door.open()
	_course = create_tween()
	_course.tween_property(self, "modulate:a", 0.0, FADE_SECONDS)
	_course.tween_interval(OUTSIDE_SECONDS / 2.0)
	_course.tween_callback(_light_lantern)
	_course.tween_interval(OUTSIDE_SECONDS / 2.0)
	_course.tween_property(self, "modulate:a", 1.0, FADE_SECONDS)
	_course.tween_callback(_come_in.bind(was_open))


func _light_lantern() -> void:
	_problem = ""
	if room.weather.lantern_burns:
		_problem = "it burns already"
	elif not has_oil:
		_problem = "there is no oil in it"
	else:
		has_oil = false
		room.weather.light_lantern()
		lantern_lit.emit()


func _come_in(leaves_open: bool) -> void:
	if not leaves_open:
		room.door.shut()
	_end_deed(_problem)


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
