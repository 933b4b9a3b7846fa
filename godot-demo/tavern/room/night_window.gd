class_name NightWindow
extends Node2D
## A window: the night behind it, its frame and curtains in front.

@export var size := Vector2(190, 150)

@onready var _night: ColorRect = $Night


func _ready() -> void:
	_night.size = size


func _draw() -> void:
	var frame := Backdrop.BEAM
	for edge: Rect2 in [
		Rect2(-10, -10, size.x + 20, 12),
		Rect2(-10, -10, 12, size.y + 20),
		Rect2(size.x - 2, -10, 12, size.y + 20),
		Rect2(size.x / 2.0 - 4, 0, 8, size.y),
		Rect2(0, size.y / 2.0 - 3, size.x, 6),
	]:
		draw_rect(edge, frame)
	draw_rect(Rect2(-10, -10, size.x + 20, size.y + 20), Shapes.OUTLINE, false, 2.0)
	Shapes.fill(self, Shapes.rect(-20, size.y + 2, size.x + 40, 13), frame.lightened(0.15))
	for side: float in [-1.0, 1.0]:
		_draw_curtain(side)
	Shapes.fill(self, Shapes.rect(-38, -26, size.x + 76, 7), Color("b98b4a"))


func _draw_curtain(side: float) -> void:
	var edge := -28.0 if side < 0.0 else size.x + 28.0
	var points: PackedVector2Array = [
		Vector2(edge, -20),
		Vector2(edge - side * 52.0, -20),
		Vector2(edge - side * 46.0, size.y * 0.35),
		Vector2(edge - side * 22.0, size.y * 0.62),
		Vector2(edge - side * 34.0, size.y + 22.0),
		Vector2(edge, size.y + 22.0)
	]
	Shapes.fill(self, points, Color("8a3a3c"))
	for fold in 3:
		var x := edge - side * (9.0 + fold * 11.0)
		var to := Vector2(edge - side * (6.0 + fold * 6.0), size.y * 0.6)
		draw_line(Vector2(x, -18), to, Color(0.2, 0.05, 0.08, 0.5), 2.0, true)
	draw_line(
		Vector2(edge, size.y * 0.62),
		Vector2(edge - side * 24.0, size.y * 0.62),
		Color("c79a55"),
		4.0
	)
