class_name Lamp
extends Node2D
## A lamp that hangs from the beam.

@export var length := 60.0


func _draw() -> void:
	draw_line(Vector2(0, -length), Vector2.ZERO, Color("2b2428"), 2.0, true)
	Shapes.fill(self, [Vector2(-13, 4), Vector2(0, -8), Vector2(13, 4)], Color("4a3a30"))
	Shapes.fill(
		self, [Vector2(-10, 4), Vector2(10, 4), Vector2(8, 26), Vector2(-8, 26)], Color("ffd98a")
	)
	draw_line(Vector2(0, 4), Vector2(0, 26), Color("4a3a30"), 1.5)
	Shapes.fill(self, Shapes.rect(-10, 26, 20, 4), Color("4a3a30"))
