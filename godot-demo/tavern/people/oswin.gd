extends Character
## Guards the door, and is the one to light the lantern on the landing, once he has oil for it.

signal lantern_lit

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
	return {"message": "the door stands open"}


func _bar_door(_arguments: Dictionary) -> Variant:
	if room.door.is_barred:
		return DramatisAgent.tool_failed("the bar is in its place already")
	if not await walk_to(Room.PLACES["door"]):
		return DramatisAgent.tool_failed("did not get to the door")
	room.door.bar()
	return {"message": "the door is shut and barred"}
