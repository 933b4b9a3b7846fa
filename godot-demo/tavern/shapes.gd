class_name Shapes
## Shapes with smooth edges, for whatever is drawn by hand: the renderer that runs everywhere has no
## smoothing of its own for filled polygons.

const OUTLINE := Color(0.09, 0.06, 0.08)


## A filled shape with a line around it.
static func fill(
	canvas: CanvasItem, points: PackedVector2Array, color: Color, outline := OUTLINE, width := 2.0
) -> void:
	canvas.draw_colored_polygon(points, color)
	var line := points.duplicate()
	line.append(points[0])
	canvas.draw_polyline(line, outline, width, true)


## A filled shape without a line of its own.
static func plain(canvas: CanvasItem, points: PackedVector2Array, color: Color) -> void:
	fill(canvas, points, color, color, 1.0)


## A filled circle with a line around it.
static func disc(
	canvas: CanvasItem, center: Vector2, radius: float, color: Color, outline := OUTLINE
) -> void:
	canvas.draw_circle(center, radius, color, true, -1.0, true)
	canvas.draw_arc(center, radius, 0.0, TAU, 32, outline, 2.0, true)


## A thick line with round ends.
static func limb(
	canvas: CanvasItem, points: PackedVector2Array, color: Color, width: float
) -> void:
	_stroke(canvas, points, OUTLINE, width + 4.0)
	_stroke(canvas, points, color, width)


static func ellipse(
	center: Vector2, radii: Vector2, from := 0.0, to := TAU, steps := 28
) -> PackedVector2Array:
	var points: PackedVector2Array = []
	# A whole one would end where it began, and a polygon may not have a point twice.
	var count := steps if is_equal_approx(to - from, TAU) else steps + 1
	for step in count:
		var angle := lerpf(from, to, float(step) / steps)
		points.append(center + Vector2(cos(angle), sin(angle)) * radii)
	return points


static func rect(x: float, y: float, width: float, height: float) -> PackedVector2Array:
	return [
		Vector2(x, y), Vector2(x + width, y), Vector2(x + width, y + height), Vector2(x, y + height)
	]


## The closed curve through these points.
static func curve(through: PackedVector2Array, steps := 6) -> PackedVector2Array:
	var points: PackedVector2Array = []
	var count := through.size()
	for at in count:
		var before := through[(at + count - 1) % count]
		var after := through[(at + 1) % count]
		var beyond := through[(at + 2) % count]
		for step in steps:
			points.append(through[at].cubic_interpolate(after, before, beyond, float(step) / steps))
	return points


static func _stroke(
	canvas: CanvasItem, points: PackedVector2Array, color: Color, width: float
) -> void:
	canvas.draw_polyline(points, color, width, true)
	for point in points:
		canvas.draw_circle(point, width / 2.0, color, true, -1.0, true)
