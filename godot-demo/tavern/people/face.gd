class_name Face
## Faces, drawn by the name of what they show.

enum Eyes { OPEN, WIDE, CLOSED }
enum Mark { NONE, HEART, QUESTION, EXCLAMATION, TEAR, DROP, SPARKLE, DOTS, NOTE }

const CALM := "calm"


## What makes a face: eyes; brows, as the height of their inner and outer ends; the mouth's bend, up
## or down, and how far it is open; and the mark that stands beside it.
class Look:
	var eyes: Eyes
	var brows: Vector2
	var mouth: float
	var gape: float
	var mark: Mark

	func _init(
		with_eyes: Eyes, with_brows: Vector2, with_mouth: float, with_gape: float, with_mark: Mark
	) -> void:
		eyes = with_eyes
		brows = with_brows
		mouth = with_mouth
		gape = with_gape
		mark = with_mark


static var _looks: Dictionary[String, Look] = {
	"calm": Look.new(Eyes.OPEN, Vector2(0.0, 0.0), 0.15, 0.0, Mark.NONE),
	"warm": Look.new(Eyes.OPEN, Vector2(0.15, 0.0), 0.7, 0.0, Mark.HEART),
	"amused": Look.new(Eyes.CLOSED, Vector2(0.2, 0.1), 0.9, 0.25, Mark.NOTE),
	"curious": Look.new(Eyes.OPEN, Vector2(0.3, 0.5), 0.1, 0.15, Mark.QUESTION),
	"surprised": Look.new(Eyes.WIDE, Vector2(0.5, 0.5), 0.0, 0.75, Mark.EXCLAMATION),
	"wary": Look.new(Eyes.OPEN, Vector2(-0.4, 0.15), -0.25, 0.0, Mark.DOTS),
	"delighted": Look.new(Eyes.CLOSED, Vector2(0.4, 0.3), 1.0, 0.55, Mark.SPARKLE),
	"hurt": Look.new(Eyes.OPEN, Vector2(0.45, -0.25), -0.7, 0.0, Mark.TEAR),
	"shaken": Look.new(Eyes.WIDE, Vector2(0.5, -0.1), -0.5, 0.35, Mark.DROP),
	"resolute": Look.new(Eyes.OPEN, Vector2(-0.5, 0.2), 0.05, 0.0, Mark.EXCLAMATION),
	"relieved": Look.new(Eyes.CLOSED, Vector2(0.25, 0.0), 0.6, 0.0, Mark.SPARKLE),
	"moved": Look.new(Eyes.CLOSED, Vector2(0.5, -0.1), 0.35, 0.0, Mark.TEAR),
	"wistful": Look.new(Eyes.OPEN, Vector2(0.35, -0.1), -0.15, 0.0, Mark.DOTS),
}


## Whether there is a face of that name.
static func has(feeling: String) -> bool:
	return _looks.has(feeling)


## Draws eyes, brows and mouth onto a head. `open` is how far the mouth is open for speaking.
static func draw(
	canvas: CanvasItem, center: Vector2, radius: float, feeling: String, open := 0.0
) -> void:
	var look: Look = _looks.get(feeling, _looks[CALM])
	for side: float in [-1.0, 1.0]:
		_draw_eye(canvas, center + Vector2(side * 0.36, -0.08) * radius, radius, look.eyes)
		var inner := center + Vector2(side * 0.2, -0.42 - look.brows.x * 0.35) * radius
		var outer := center + Vector2(side * 0.6, -0.42 - look.brows.y * 0.35) * radius
		canvas.draw_line(inner, outer, Shapes.OUTLINE, radius * 0.12, true)
	_draw_mouth(
		canvas, center + Vector2(0, 0.42) * radius, radius, look.mouth, maxf(look.gape, open)
	)


## Draws the mark that goes with the feeling.
static func draw_mark(canvas: CanvasItem, at: Vector2, size: float, feeling: String) -> void:
	var look: Look = _looks.get(feeling, _looks[CALM])
	match look.mark:
		Mark.HEART:
			var color := Color("e0546a")
			canvas.draw_circle(
				at + Vector2(-0.28, -0.2) * size, size * 0.32, color, true, -1.0, true
			)
			canvas.draw_circle(
				at + Vector2(0.28, -0.2) * size, size * 0.32, color, true, -1.0, true
			)
			Shapes.plain(canvas, _points(at, size, [-0.57, -0.05, 0.57, -0.05, 0.0, 0.62]), color)
		Mark.QUESTION:
			var ink := Color("8cc4ee")
			canvas.draw_arc(
				at + Vector2(0, -0.3) * size, size * 0.3, PI, TAU + 1.2, 14, ink, 3.0, true
			)
			canvas.draw_line(
				at + Vector2(0.06, -0.02) * size, at + Vector2(0, 0.25) * size, ink, 3.0, true
			)
			canvas.draw_circle(at + Vector2(0, 0.55) * size, 2.0, ink, true, -1.0, true)
		Mark.EXCLAMATION:
			var ink := Color("ff9a4d")
			canvas.draw_line(
				at + Vector2(0, -0.6) * size, at + Vector2(0, 0.2) * size, ink, 3.5, true
			)
			canvas.draw_circle(at + Vector2(0, 0.55) * size, 2.2, ink, true, -1.0, true)
		Mark.TEAR, Mark.DROP:
			var color := Color("5b9bd0")
			Shapes.plain(canvas, _points(at, size, [0.0, -0.6, 0.3, 0.1, -0.3, 0.1]), color)
			canvas.draw_circle(at + Vector2(0, 0.2) * size, size * 0.3, color, true, -1.0, true)
		Mark.SPARKLE:
			var star := [0.0, -0.7, 0.16, -0.16, 0.7, 0.0, 0.16, 0.16, 0.0, 0.7, -0.16, 0.16]
			star.append_array([-0.7, 0.0, -0.16, -0.16])
			Shapes.plain(canvas, _points(at, size, star), Color("d9a02b"))
		Mark.DOTS:
			for dot in 3:
				var place := at + Vector2((dot - 1) * 0.5, 0.1) * size
				canvas.draw_circle(place, 2.0, Color("d6cfdd"), true, -1.0, true)
		Mark.NOTE:
			draw_note(canvas, at, size, Color("c9a8ff"))


## A note of music.
static func draw_note(canvas: CanvasItem, at: Vector2, size: float, color: Color) -> void:
	canvas.draw_circle(at + Vector2(-0.2, 0.42) * size, size * 0.26, color, true, -1.0, true)
	canvas.draw_line(
		at + Vector2(0.03, 0.42) * size, at + Vector2(0.03, -0.6) * size, color, 2.0, true
	)
	canvas.draw_line(
		at + Vector2(0.03, -0.6) * size, at + Vector2(0.45, -0.3) * size, color, 3.0, true
	)


static func _draw_eye(canvas: CanvasItem, at: Vector2, radius: float, eyes: Eyes) -> void:
	match eyes:
		Eyes.OPEN:
			canvas.draw_circle(at, radius * 0.11, Shapes.OUTLINE, true, -1.0, true)
		Eyes.WIDE:
			canvas.draw_circle(at, radius * 0.21, Color.WHITE, true, -1.0, true)
			canvas.draw_arc(at, radius * 0.21, 0.0, TAU, 16, Shapes.OUTLINE, 1.5, true)
			canvas.draw_circle(at, radius * 0.1, Shapes.OUTLINE, true, -1.0, true)
		Eyes.CLOSED:
			var below := at + Vector2(0, 0.1) * radius
			canvas.draw_arc(below, radius * 0.17, PI, TAU, 8, Shapes.OUTLINE, radius * 0.1, true)


static func _draw_mouth(
	canvas: CanvasItem, at: Vector2, radius: float, bend: float, open: float
) -> void:
	if open > 0.1:
		var lips := Vector2(0.14 + 0.16 * absf(bend), 0.08 + 0.2 * open) * radius
		Shapes.fill(canvas, Shapes.ellipse(at, lips), Color("6b2028"), Shapes.OUTLINE, 1.5)
		return
	var line: PackedVector2Array = []
	for step in 9:
		var across := lerpf(-1.0, 1.0, step / 8.0)
		line.append(at + Vector2(across * 0.34, (0.5 - across * across) * bend * 0.3) * radius)
	canvas.draw_polyline(line, Shapes.OUTLINE, radius * 0.11, true)


static func _points(at: Vector2, size: float, pairs: Array) -> PackedVector2Array:
	var points: PackedVector2Array = []
	for index in range(0, pairs.size(), 2):
		var x: float = pairs[index]
		var y: float = pairs[index + 1]
		points.append(at + Vector2(x, y) * size)
	return points
