class_name Bubble
extends Control
## A speech bubble over somebody's head, as large as what is said. Whoever speaks types into
## [member label]; without text it isn't there.

const WIDTH := 286.0
const MOST_LINES := 9
const PADDING := Vector2(14, 10)
const PAPER := Color("fff6e2")
const INK := Color("2b2026")
const CUT := Color("c4362f")
const STAGE := Rect2(8, 8, 884, 560)
## All that are on the screen are in it.
const GROUP := &"bubbles"
## What belongs to a bubble beside its paper: the name above it, and below it that it was cut off.
const ABOVE := 12.0
const BELOW := 11.0
const BESIDE := 5.0
## It is better to yield upwards or sideways: below there are faces.
const DOWN_COSTS := 8.0
const LONGEST_TAIL := 64.0

static var _begun := 0

## The tip of its tail.
var target := Vector2.ZERO
var color := Color.WHITE
var speaker := ""
## Where it is: 0 above the head, -1 to the left of it, 1 to the right.
var side := 0.0

## What it will take when everything is typed that has come.
var _room := Rect2()
## Of two the one that began later yields.
var _number := 0
var _is_cut := false
var _is_thinking := false
var _dots := 0.0

@onready var label: RichTextLabel = $Label


func _ready() -> void:
	mouse_filter = MOUSE_FILTER_IGNORE
	add_to_group(GROUP)


## Where a bubble of that size can be that wants to be there: as near as it goes without hiding
## those that are taken.
static func free_place(wish: Rect2, taken: Array[Rect2]) -> Vector2:
	var columns: Array[float] = [wish.position.x]
	var rows: Array[float] = [wish.position.y]
	for other in taken:
		var around := other.grow_individual(BESIDE, ABOVE, BESIDE, BELOW)
		columns.append_array([around.position.x - BESIDE - wish.size.x, around.end.x + BESIDE])
		rows.append_array([around.position.y - BELOW - wish.size.y, around.end.y + ABOVE])
	var best := wish.position
	var least := INF
	for x in columns:
		for y in rows:
			var place := Vector2(x, y).clamp(STAGE.position, STAGE.end - wish.size)
			var way := place - wish.position
			var cost := absf(way.x) + (way.y * DOWN_COSTS if way.y > 0.0 else -way.y)
			if cost < least and not _hides(Rect2(place, wish.size), taken):
				best = place
				least = cost
	return best


static func _hides(paper: Rect2, taken: Array[Rect2]) -> bool:
	# A hair less than the distance that is kept: a touch is none.
	var whole := paper.grow_individual(BESIDE, ABOVE, BESIDE, BELOW).grow(-0.5)
	for other in taken:
		if whole.intersects(other.grow_individual(BESIDE, ABOVE, BESIDE, BELOW)):
			return true
	return false


## Something new is being said.
func begin() -> void:
	_is_cut = false
	_is_thinking = false
	_count()


## What is being said was cut off.
func mark_cut() -> void:
	_is_cut = true


## Whether whoever it belongs to thinks about what to say.
func think(thinks: bool) -> void:
	if thinks and not visible:
		_count()
	_is_thinking = thinks


func is_thinking() -> bool:
	return _is_thinking


func _process(delta: float) -> void:
	_dots += delta
	var text := label.get_parsed_text()
	visible = _is_thinking or not text.is_empty()
	if not visible:
		return
	label.visible = not text.is_empty()
	size = _size_for(text, _typed_height())
	label.position = PADDING
	label.size = size - PADDING * 2.0
	_follow_text()
	_find_room(_size_for(text, label.get_content_height()))
	position = _room.end - size
	queue_redraw()


## It has its place when it begins to grow, or it would jump from one to another.
func _find_room(whole: Vector2) -> void:
	var place := Vector2(target.x - whole.x / 2.0, target.y - whole.y - 20.0)
	if side != 0.0:
		place = target + Vector2(side * (whole.x / 2.0 + 50.0), 0) - whole / 2.0
	place = place.clamp(STAGE.position, STAGE.end - whole)
	_room = Rect2(free_place(Rect2(place, whole), _older()), whole)


func _count() -> void:
	_begun += 1
	_number = _begun


func _older() -> Array[Rect2]:
	var taken: Array[Rect2] = []
	for other: Bubble in get_tree().get_nodes_in_group(GROUP):
		if other.visible and other._number < _number:
			taken.append(other._room)
	return taken


func _size_for(text: String, lines_height: float) -> Vector2:
	if text.is_empty():
		return Vector2(64, 38)
	var font := label.get_theme_font("normal_font")
	var font_size := label.get_theme_font_size("normal_font_size")
	var inner := WIDTH - PADDING.x * 2.0
	var natural := font.get_multiline_string_size(text, HORIZONTAL_ALIGNMENT_LEFT, inner, font_size)
	var line := font.get_height(font_size)
	var height := clampf(lines_height, line, line * MOST_LINES)
	return Vector2(clampf(natural.x + 4.0, 60.0, inner), height) + PADDING * 2.0


## How high the lines are that have been typed so far, at least in part.
func _typed_height() -> float:
	var typed := label.visible_characters
	if typed < 0 or typed >= label.get_total_character_count():
		return label.get_content_height()
	var line := label.get_character_line(maxi(0, typed - 1))
	if line + 1 >= label.get_line_count():
		return label.get_content_height()
	return label.get_line_offset(line + 1)


## Where there is more text than room, what is being typed stays in sight.
func _follow_text() -> void:
	if label.get_line_count() <= MOST_LINES:
		return
	var typed := label.visible_characters
	if typed < 0 or typed >= label.get_total_character_count():
		typed = label.get_total_character_count() - 1
	label.scroll_to_line(maxi(0, label.get_character_line(typed) - MOST_LINES + 1))


func _draw() -> void:
	var paper := StyleBoxFlat.new()
	paper.bg_color = PAPER
	paper.set_corner_radius_all(13)
	paper.set_border_width_all(3)
	paper.border_color = color
	paper.shadow_color = Color(0.04, 0.02, 0.06, 0.45)
	paper.shadow_size = 7
	paper.shadow_offset = Vector2(0, 3)
	draw_style_box(paper, Rect2(Vector2.ZERO, size))
	_draw_tail()
	_draw_name()
	if _is_cut:
		_draw_cut()
	if not label.visible:
		_draw_dots()


func _draw_tail() -> void:
	var tip := target - position
	var root := Vector2(clampf(tip.x, 26.0, size.x - 26.0), size.y - 3.5)
	var along := Vector2(10, 0)
	var out := Vector2(0, 1)
	if side != 0.0:
		tip.x += side * 26.0
		root = Vector2(3.5 if side > 0.0 else size.x - 3.5, size.y / 2.0)
		along = Vector2(0, 9)
		out = Vector2(-side, 0)
	# One that yielded is too far away for a tail that reaches: it points there.
	tip = root + (tip - root).limit_length(LONGEST_TAIL)
	if (tip - root).dot(out) < 6.0:
		return
	draw_colored_polygon([root - along, root + along, tip], PAPER)
	draw_polyline([root - along + out, tip, root + along + out], color, 3.0, true)


func _draw_name() -> void:
	var font := get_theme_default_font()
	var width := font.get_string_size(speaker, HORIZONTAL_ALIGNMENT_LEFT, -1, 13).x
	var plate := StyleBoxFlat.new()
	plate.bg_color = color
	plate.set_corner_radius_all(8)
	draw_style_box(plate, Rect2(12, -11, width + 16, 19))
	draw_string(font, Vector2(20, 3), speaker, HORIZONTAL_ALIGNMENT_LEFT, -1, 13, INK)


func _draw_cut() -> void:
	var plate := StyleBoxFlat.new()
	plate.bg_color = CUT
	plate.set_corner_radius_all(8)
	draw_style_box(plate, Rect2(size.x - 66, size.y - 10, 56, 19))
	var font := get_theme_default_font()
	var at := Vector2(size.x - 61, size.y + 4)
	draw_string(font, at, "cut off", HORIZONTAL_ALIGNMENT_LEFT, -1, 13, Color.WHITE)


func _draw_dots() -> void:
	for dot in 3:
		var lift := maxf(0.0, sin(_dots * 5.0 - dot * 0.8)) * 5.0
		draw_circle(
			Vector2(20.0 + dot * 12.0, 20.0 - lift), 3.5, color.darkened(0.2), true, -1.0, true
		)
