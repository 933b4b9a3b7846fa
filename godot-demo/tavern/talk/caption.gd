class_name Caption
extends Control
## The name at somebody's feet, and for a while what they are doing.

const WIDTH := 170.0
const SECONDS := 4.0
## A model may write more than there is room for.
const MOST_LINES := 3
const FAILED := Color("ff8d7a")

var title := ""
var color := Color.WHITE
## Where the feet are.
var foot := Vector2.ZERO

var _deed := ""
var _has_failed := false
var _left := 0.0


func _ready() -> void:
	mouse_filter = MOUSE_FILTER_IGNORE


## Shows what is being done.
func tell(deed: String, failed := false) -> void:
	_deed = deed
	_has_failed = failed
	_left = SECONDS


func _process(delta: float) -> void:
	_left -= delta
	position = foot
	queue_redraw()


func _draw() -> void:
	_draw_centered(title, 20.0, 13, color.lightened(0.25))
	if _left <= 0.0:
		return
	var ink := FAILED if _has_failed else Color("f6e7c8")
	ink.a = clampf(_left / 0.5, 0.0, 1.0)
	_draw_centered(_deed, 37.0, 14, ink)


func _draw_centered(text: String, below: float, font_size: int, ink: Color) -> void:
	var font := get_theme_default_font()
	var x := clampf(-WIDTH / 2.0, 8.0 - foot.x, 892.0 - foot.x - WIDTH)
	var at := Vector2(x, below)
	var middle := HORIZONTAL_ALIGNMENT_CENTER
	var shade := Color(0.06, 0.03, 0.05, ink.a)
	draw_multiline_string_outline(font, at, text, middle, WIDTH, font_size, MOST_LINES, 6, shade)
	draw_multiline_string(font, at, text, middle, WIDTH, font_size, MOST_LINES, ink)
