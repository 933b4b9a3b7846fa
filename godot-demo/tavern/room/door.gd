class_name Door
extends Node2D
## The door of the inn: shut, open, or shut and barred.

const SIZE := Vector2(112, 222)

var is_open := false
var is_barred := false

var _swing := 0.0
var _turning: Tween

@onready var _outside: ColorRect = $Outside


func open() -> void:
	is_barred = false
	is_open = true
	_turn(1.0)


func shut() -> void:
	is_open = false
	_turn(0.0)


func bar() -> void:
	is_open = false
	is_barred = true
	_turn(0.0)


## How it is at once, after loading: one of the words of [method in_words].
func set_to(state: String) -> void:
	is_open = state == "open"
	is_barred = state == "barred"
	if _turning != null:
		_turning.kill()
	_set_swing(1.0 if is_open else 0.0)


## How it stands, for whoever looks.
func in_words() -> String:
	if is_open:
		return "open"
	return "barred" if is_barred else "shut"


func _turn(to: float) -> void:
	if _turning != null:
		_turning.kill()
	_turning = create_tween()
	_turning.tween_method(_set_swing, _swing, to, 0.5).set_trans(Tween.TRANS_SINE)


func _set_swing(to: float) -> void:
	_swing = to
	_outside.visible = to > 0.01
	queue_redraw()


func _draw() -> void:
	var frame := Backdrop.BEAM.darkened(0.15)
	for edge: Rect2 in [
		Rect2(-12, -12, SIZE.x + 24, 14),
		Rect2(-12, -12, 14, SIZE.y + 12),
		Rect2(SIZE.x - 2, -12, 14, SIZE.y + 12)
	]:
		draw_rect(edge, frame)
	draw_rect(Rect2(-12, -12, SIZE.x + 24, SIZE.y + 12), Shapes.OUTLINE, false, 2.0)
	_draw_leaf(lerpf(SIZE.x, 26.0, _swing), 26.0 * _swing)
	if is_barred and _swing < 0.5:
		Shapes.fill(self, Shapes.rect(-18, 96, SIZE.x + 36, 18), Color("a9794a"))
		for x: float in [-2.0, SIZE.x - 8.0]:
			Shapes.fill(self, Shapes.rect(x, 90, 10, 30), Color("5b5a63"))


func _draw_leaf(width: float, drop: float) -> void:
	var wood := Color("7b4f34")
	Shapes.fill(
		self,
		[
			Vector2.ZERO,
			Vector2(width, drop * 0.4),
			Vector2(width, SIZE.y + drop),
			Vector2(0, SIZE.y)
		],
		wood
	)
	for plank in range(1, 4):
		var x := width * plank / 4.0
		draw_line(Vector2(x, 2), Vector2(x, SIZE.y), wood.darkened(0.35), 2.0)
	for y: float in [34.0, 178.0]:
		draw_line(Vector2(0, y), Vector2(width * 0.8, y + drop * 0.2), Color("3a3740"), 6.0, true)
	draw_arc(Vector2(width * 0.84, 122), 7.0, 0, TAU, 16, Color("c9a35c"), 3.0, true)
