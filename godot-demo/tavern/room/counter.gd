class_name Counter
extends Node2D
## The bar. Its origin is on the floor in front of it, so that it is sorted among the people.

const WIDTH := 216.0
const HEIGHT := 92.0


func _draw() -> void:
	var wood := Color("8a5a38")
	Shapes.fill(self, Shapes.rect(0, -HEIGHT, WIDTH, HEIGHT), wood.darkened(0.12))
	for panel in 4:
		var x := 8.0 + panel * 53.0
		draw_rect(Rect2(x, -HEIGHT + 16, 44, HEIGHT - 28), wood.darkened(0.3))
		draw_rect(Rect2(x, -HEIGHT + 16, 44, HEIGHT - 28), wood.darkened(0.5), false, 2.0)
	Shapes.fill(
		self,
		[
			Vector2(-10, -HEIGHT + 6),
			Vector2(8, -HEIGHT - 16),
			Vector2(WIDTH, -HEIGHT - 16),
			Vector2(WIDTH, -HEIGHT + 6)
		],
		wood.lightened(0.18)
	)
	draw_line(Vector2(8, -HEIGHT - 13), Vector2(WIDTH, -HEIGHT - 13), wood.lightened(0.4), 2.0)
	Shapes.fill(self, Shapes.rect(0, -HEIGHT + 6, WIDTH, 8), wood.darkened(0.3))
	_draw_mug(Vector2(40, -HEIGHT - 6))
	_draw_book(Vector2(166, -HEIGHT - 5))
	Shapes.fill(self, Shapes.rect(104, -HEIGHT - 30, 10, 24), Color("e8dcc0"))
	Shapes.plain(self, Shapes.ellipse(Vector2(109, -HEIGHT - 5), Vector2(12, 4)), Color("5b5a63"))


func _draw_mug(foot: Vector2) -> void:
	Shapes.fill(self, Shapes.rect(foot.x - 9, foot.y - 22, 18, 22), Color("b5905a"))
	draw_arc(foot + Vector2(11, -12), 6.0, -PI / 2.0, PI / 2.0, 10, Color("b5905a"), 3.0, true)
	Shapes.fill(self, Shapes.ellipse(foot + Vector2(0, -23), Vector2(10, 5)), Color("f4ead2"))


func _draw_book(middle: Vector2) -> void:
	Shapes.fill(
		self,
		[
			middle + Vector2(-30, 3),
			middle + Vector2(-22, -9),
			middle + Vector2(22, -9),
			middle + Vector2(30, 3)
		],
		Color("efe3c6")
	)
	draw_line(middle + Vector2(0, -9), middle + Vector2(0, 3), Color("8c7a5a"), 2.0)
