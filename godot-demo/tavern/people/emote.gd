class_name Emote
extends Node2D
## The face that appears beside a head when a feeling is shown. It stands outside of the room's
## light, so that it can be read.

const SECONDS := 6.0
const RADIUS := 17.0

var _feeling := ""
var _left := 0.0


func _ready() -> void:
	hide()


## Shows the feeling for a while.
func show_feeling(feeling: String) -> void:
	_feeling = feeling
	_left = SECONDS
	show()
	scale = Vector2.ONE * 0.3
	var tween := create_tween().set_trans(Tween.TRANS_BACK).set_ease(Tween.EASE_OUT)
	tween.tween_property(self, "scale", Vector2.ONE, 0.35)
	queue_redraw()


func _process(delta: float) -> void:
	if not visible:
		return
	_left -= delta
	modulate.a = clampf(_left / 0.6, 0.0, 1.0)
	if _left < 0.0:
		hide()


func _draw() -> void:
	var paper := Color("fff4dc")
	Shapes.disc(self, Vector2.ZERO, RADIUS, paper)
	Face.draw(self, Vector2(0, 1), RADIUS * 0.95, _feeling)
	Face.draw_mark(self, Vector2(RADIUS + 5, -RADIUS + 3), 9.0, _feeling)
