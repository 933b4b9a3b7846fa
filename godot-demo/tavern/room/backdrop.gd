class_name Backdrop
extends Node2D
## The walls, the floor and all that never moves: beams, chimney, shelves.

const WIDTH := 900.0
const FLOOR := 410.0
const BOTTOM := 720.0

const WALL := Color("9c7657")
const WALL_DARK := Color("7f5e45")
const BEAM := Color("5a3d2b")
const FLOORING := Color("8d6343")
const STONE := Color("8b8690")
const MORTAR := Color("625d68")
const GLASS: Array[Color] = [
	Color("4d8b5a"), Color("a5632b"), Color("7c3346"), Color("3f6c8f"), Color("b89a3c")
]


func _draw() -> void:
	_draw_wall()
	_draw_floor()
	_draw_chimney()
	_draw_shelves()
	_draw_oars()
	_draw_beams()


func _draw_wall() -> void:
	var top := Color(WALL_DARK).darkened(0.25)
	draw_polygon(Shapes.rect(0, 0, WIDTH, FLOOR), [top, top, WALL, WALL])
	var plank := 0
	var x := 0.0
	while x < WIDTH:
		var width := 44.0 + 9.0 * (plank % 3)
		if plank % 2 == 0:
			draw_rect(Rect2(x, 0, width, FLOOR), Color(0.2, 0.1, 0.05, 0.13))
		draw_line(Vector2(x, 0), Vector2(x, FLOOR), Color(0.12, 0.07, 0.05, 0.55), 2.0)
		for nail: float in [70.0, 330.0]:
			draw_circle(Vector2(x + width / 2.0, nail), 1.8, Color(0.15, 0.1, 0.08, 0.6))
		x += width
		plank += 1
	draw_rect(Rect2(0, 332, WIDTH, 64), Color(0.22, 0.12, 0.07, 0.35))
	draw_rect(Rect2(0, 326, WIDTH, 7), BEAM)
	draw_rect(Rect2(0, 394, WIDTH, 18), BEAM)
	draw_line(Vector2(0, 394), Vector2(WIDTH, 394), BEAM.lightened(0.2), 2.0)


func _draw_floor() -> void:
	var near := FLOORING.darkened(0.35)
	draw_polygon(Shapes.rect(0, FLOOR, WIDTH, BOTTOM - FLOOR), [FLOORING, FLOORING, near, near])
	var vanishing := Vector2(WIDTH / 2.0, -420.0)
	for step in range(-16, 30):
		var near_x := step * 66.0
		var to := Vector2(near_x, BOTTOM)
		var from := vanishing.lerp(to, (FLOOR - vanishing.y) / (BOTTOM - vanishing.y))
		draw_line(from, to, Color(0.15, 0.08, 0.05, 0.55), 2.0, true)
	for row in 4:
		var y := FLOOR + 26.0 + row * row * 14.0 + row * 22.0
		draw_line(Vector2(0, y), Vector2(WIDTH, y), Color(0.15, 0.08, 0.05, 0.22), 1.5)
	Shapes.plain(self, Shapes.ellipse(Vector2(395, 520), Vector2(185, 42)), Color("6d2f33"))
	draw_polyline(
		Shapes.ellipse(Vector2(395, 520), Vector2(170, 37), 0.0, TAU - 0.01),
		Color("c79a55"),
		3.0,
		true
	)
	draw_polyline(
		Shapes.ellipse(Vector2(395, 520), Vector2(120, 25), 0.0, TAU - 0.01),
		Color("a4604a"),
		2.0,
		true
	)


func _draw_chimney() -> void:
	Shapes.fill(self, Shapes.rect(452, 0, 196, FLOOR + 4), MORTAR)
	for row in 13:
		var y := 4.0 + row * 32.0
		var x := 456.0 - (34.0 if row % 2 == 1 else 0.0)
		while x < 646.0:
			var width := 58.0 + 10.0 * ((row * 7 + int(x)) % 3)
			var left := maxf(x, 456.0)
			var right := minf(x + width - 4.0, 644.0)
			if right - left > 8.0:
				var tint := STONE.darkened(0.06 * ((row * 5 + int(x)) % 4))
				draw_rect(Rect2(left, y, right - left, 28.0), tint)
			x += width
	Shapes.fill(self, Shapes.rect(436, 258, 228, 20), BEAM.lightened(0.08))
	draw_line(Vector2(438, 260), Vector2(662, 260), BEAM.lightened(0.35), 2.0)
	_draw_mantel()
	var opening: PackedVector2Array = [Vector2(486, 412)]
	opening.append_array(Shapes.ellipse(Vector2(550, 322), Vector2(64, 34), PI, TAU, 16))
	opening.append(Vector2(614, 412))
	Shapes.fill(self, opening, Color("120b0c"), Color("3c373f"), 6.0)
	Shapes.fill(self, Shapes.ellipse(Vector2(550, 424), Vector2(96, 17)), STONE.darkened(0.3))


func _draw_mantel() -> void:
	# A fish that got away less far than the others.
	var board := Shapes.ellipse(Vector2(550, 205), Vector2(66, 27))
	Shapes.fill(self, board, BEAM)
	var fish := Shapes.curve(
		[
			Vector2(502, 206),
			Vector2(530, 190),
			Vector2(566, 194),
			Vector2(584, 204),
			Vector2(600, 193),
			Vector2(597, 206),
			Vector2(600, 219),
			Vector2(584, 208),
			Vector2(562, 217),
			Vector2(528, 219)
		],
		4
	)
	Shapes.fill(self, fish, Color("6f8f92"))
	draw_circle(Vector2(516, 203), 2.6, Color.BLACK)
	for x: float in [470.0, 632.0]:
		Shapes.fill(self, Shapes.rect(x - 5, 236, 10, 22), Color("e8dcc0"))


func _draw_shelves() -> void:
	for shelf in 3:
		var y := 150.0 + shelf * 62.0
		draw_rect(Rect2(688, y - 50, 204, 50), Color(0.12, 0.07, 0.06, 0.45))
		for place in 8:
			_draw_bottle(Vector2(702.0 + place * 24.5, y), shelf * 3 + place)
		Shapes.fill(self, Shapes.rect(684, y, 212, 9), BEAM.lightened(0.12))


func _draw_bottle(foot: Vector2, number: int) -> void:
	if number % 4 == 3:
		Shapes.fill(self, Shapes.rect(foot.x - 7, foot.y - 20, 14, 20), Color("a98a5b"))
		draw_arc(foot + Vector2(9, -11), 5.0, -PI / 2.0, PI / 2.0, 8, Color("a98a5b"), 2.5, true)
		return
	var color := GLASS[(number * 2) % GLASS.size()]
	var tall := 30.0 + 5.0 * (number % 3)
	var points: PackedVector2Array = [
		foot + Vector2(-7, 0),
		foot + Vector2(-7, -tall * 0.55),
		foot + Vector2(-2.5, -tall * 0.75),
		foot + Vector2(-2.5, -tall),
		foot + Vector2(2.5, -tall),
		foot + Vector2(2.5, -tall * 0.75),
		foot + Vector2(7, -tall * 0.55),
		foot + Vector2(7, 0)
	]
	Shapes.fill(self, points, color)
	draw_line(foot + Vector2(-4, -4), foot + Vector2(-4, -tall * 0.5), color.lightened(0.5), 2.0)


func _draw_oars() -> void:
	for side: float in [-1.0, 1.0]:
		var middle := Vector2(96, 104)
		var along := Vector2(side * 0.94, 0.34)
		Shapes.limb(self, [middle - along * 62.0, middle + along * 34.0], Color("a9794a"), 4.0)
		var blade: PackedVector2Array = []
		for point in Shapes.ellipse(Vector2.ZERO, Vector2(20, 7)):
			blade.append(middle + along * 48.0 + point.rotated(along.angle()))
		Shapes.fill(self, blade, Color("b98b4a"))


func _draw_beams() -> void:
	Shapes.fill(self, Shapes.rect(-4, -4, WIDTH + 8, 34), BEAM)
	draw_line(Vector2(0, 27), Vector2(WIDTH, 27), BEAM.lightened(0.22), 3.0)
	for x: float in [180.0, 426.0, 664.0]:
		Shapes.fill(self, Shapes.rect(x - 12, 28, 24, FLOOR - 28), BEAM.darkened(0.08))
		Shapes.fill(
			self,
			[Vector2(x - 12, 30), Vector2(x - 44, 30), Vector2(x - 12, 74)],
			BEAM.darkened(0.08)
		)
		Shapes.fill(
			self,
			[Vector2(x + 12, 30), Vector2(x + 44, 30), Vector2(x + 12, 74)],
			BEAM.darkened(0.08)
		)
