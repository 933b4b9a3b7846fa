class_name Player
extends Figure
## Wren, whom the player plays: walks by keys, or to where was clicked.

const COLOR := Color("7fa6d9")
const LINE_SECONDS := 2.5
const SECONDS_A_CHARACTER := 0.045

@export var room: Room

var _said_left := 0.0

@onready var bubble: Bubble = $Overlay/Bubble
@onready var caption: Caption = $Overlay/Below/Caption


func _ready() -> void:
	super()
	bubble.color = COLOR
	bubble.speaker = name
	caption.title = name
	caption.color = COLOR


func _process(delta: float) -> void:
	super(delta)
	var direction := Input.get_vector("walk_left", "walk_right", "walk_up", "walk_down")
	# Whoever writes a line doesn't walk.
	if direction != Vector2.ZERO and not get_viewport().gui_get_focus_owner() is LineEdit:
		step(direction, delta)
		position = room.clamped(position)
	bubble.target = mouth_point() if bubble.side == 0.0 else face_point()
	caption.foot = position
	_said_left -= delta
	if _said_left < 0.0:
		bubble.label.text = ""


## Who this is, as the server wants to know it.
func as_actor() -> Dictionary:
	return {"id": "player", "name": str(name)}


## Walks there, or to a free place near it; of two as good, to the one nearer to [param beside].
func go(to: Vector2, beside := to) -> void:
	walk(room.way(position, room.free_place(room.clamped(to), self, beside)))


## What was said last is shown no longer.
func hush() -> void:
	_said_left = 0.0


func say(text: String) -> void:
	bubble.begin()
	bubble.label.text = text
	_said_left = LINE_SECONDS + SECONDS_A_CHARACTER * text.length()
