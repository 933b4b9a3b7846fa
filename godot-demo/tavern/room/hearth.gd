class_name Hearth
extends Node2D
## The logs in front of the fire, and the candles above it, in their own light.

const EMBER := Color("ff8a3c")


func _draw() -> void:
	for log_end: Array in [
		[Vector2(-42, -6), Vector2(34, -13)], [Vector2(-34, -14), Vector2(40, -5)]
	]:
		var from: Vector2 = log_end[0]
		var to: Vector2 = log_end[1]
		Shapes.limb(self, [from, to], Color("3a2018"), 11.0)
		draw_line(from + Vector2(2, -4), to + Vector2(-2, -4), Color(EMBER, 0.8), 2.5, true)
		draw_circle(to, 5.0, Color("7a4526"), true, -1.0, true)
	for spot in 9:
		var at := Vector2(-44 + spot * 11, 1.5 * (spot % 2))
		draw_circle(at, 2.0 + spot % 3, Color(EMBER, 0.65), true, -1.0, true)
	for x: float in [-80.0, 82.0]:
		draw_circle(Vector2(x, -187), 16.0, Color(1.0, 0.7, 0.3, 0.13))
		Shapes.plain(self, Shapes.ellipse(Vector2(x, -187), Vector2(3, 7)), Color("ffd37a"))
