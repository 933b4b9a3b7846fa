class_name TalkBox
extends PanelContainer
## Where the player speaks: a line to type into, and ready-made ones to click on.

signal said(text: String)

const SHOWN_LINES := 4

var _partner: Character
## What can still be said to each of them: what has been said goes to the end.
var _lines: Dictionary[Character, Array] = {}

@onready var _name: Label = %Name
@onready var _edit: LineEdit = %Edit
@onready var _say: Button = %Say
@onready var _grid: GridContainer = %Lines
@onready var _help: Label = %Help


func _ready() -> void:
	for index in SHOWN_LINES:
		var button := Button.new()
		button.alignment = HORIZONTAL_ALIGNMENT_LEFT
		button.size_flags_horizontal = Control.SIZE_EXPAND_FILL
		button.clip_text = true
		button.focus_mode = Control.FOCUS_NONE
		button.pressed.connect(_say_line.bind(index))
		_grid.add_child(button)
	_edit.text_submitted.connect(_send)
	_edit.editing_toggled.connect(_on_editing_toggled)
	_say.pressed.connect(func() -> void: _send(_edit.text))
	talk_to(null)


## Whom the player speaks to now; `null`: nobody is near.
func talk_to(partner: Character) -> void:
	_partner = partner
	var is_near := partner != null
	_edit.editable = is_near
	_say.disabled = not is_near
	_help.visible = not is_near
	if is_near:
		_name.text = "To %s" % partner.name
		_name.modulate = partner.color
		_edit.placeholder_text = "Press E or click here, type, and press Enter"
		if not _lines.has(partner):
			_lines[partner] = Array(partner.lines)
	else:
		_name.text = "Nobody near"
		_name.modulate = Color(0.6, 0.6, 0.66)
		_edit.placeholder_text = "Walk up to somebody to talk"
		_edit.release_focus()
	_show_lines()


## Puts the cursor into the line.
func begin_typing() -> void:
	if _partner != null:
		# Later, or the key that is pressed for it would be typed.
		_edit.edit.call_deferred()


## Whoever doesn't type can walk again.
func _on_editing_toggled(is_editing: bool) -> void:
	if not is_editing:
		_edit.release_focus()


func _show_lines() -> void:
	var lines: Array = _lines.get(_partner, [])
	for index in SHOWN_LINES:
		var button: Button = _grid.get_child(index)
		button.visible = index < lines.size()
		button.text = str(lines[index]) if button.visible else ""
		button.tooltip_text = button.text


func _say_line(index: int) -> void:
	var lines: Array = _lines[_partner]
	var line := str(lines.pop_at(index))
	lines.append(line)
	_show_lines()
	said.emit(line)


func _send(text: String) -> void:
	var line := text.strip_edges()
	if line.is_empty() or _partner == null:
		return
	_edit.clear()
	said.emit(line)
