class_name TurnCard
extends PanelContainer
## A turn as it comes in: each tag with what the player has seen of it, and how long it took.

const DIM := "6f7080"
const CUT := "ff7a6b"
const DONE := "7fce8f"
## The colour of each kind of tag.
const CHIPS: Dictionary[String, String] = {
	"speech": "4a5f8c",
	"action": "7a5a2e",
	"tool": "5b4a86",
}
const SEPARATOR := "  ·  "
## What a prompt is made of beside the usual, with the words for one and for several of it.
const PIECES: Dictionary[String, Array] = {
	"entries": ["entry", "entries"],
	"lore": ["lore", "lore"],
	"memories": ["memory", "memories"],
	"left_out": ["left out", "left out"],
}

var _turn: DramatisTurn
var _speaker := ""
var _color := Color.WHITE
## What the game answered to each tool, by the number of its tag.
var _answers: Dictionary[int, String] = {}
var _shown := ""

@onready var _text: RichTextLabel = $Text


func _ready() -> void:
	var paper := StyleBoxFlat.new()
	paper.bg_color = Color(0.115, 0.12, 0.175)
	paper.border_color = _color
	paper.border_width_left = 4
	paper.set_corner_radius_all(5)
	paper.set_content_margin_all(8)
	paper.content_margin_left = 12
	add_theme_stylebox_override("panel", paper)


## Shows this turn.
func show_turn(turn: DramatisTurn, speaker: String, color: Color) -> void:
	_turn = turn
	_speaker = speaker
	_color = color


## What a tool of the turn has answered.
func add_answer(result: Dictionary) -> void:
	var output: Variant = result.get("output")
	if output is Dictionary:
		var answer: Dictionary = output
		output = answer.get("message", answer)
	_answers[int(str(result["tag_id"]))] = str(output)
	set_process(true)


func turn_id() -> String:
	return _turn.id


## What the prompt was made of, in one line. What there was none of is left out.
static func context_in_words(context: Dictionary[String, int]) -> String:
	var facts: PackedStringArray = []
	if context.has("tokens"):
		facts.append("%d of %d tokens" % [context["tokens"], context.get("budget", 0)])
	for piece in PIECES:
		var count: int = context.get(piece, 0)
		if count > 0:
			facts.append("%d %s" % [count, PIECES[piece][0 if count == 1 else 1]])
	return SEPARATOR.join(facts)


func _process(_delta: float) -> void:
	var text := _describe()
	if text != _shown:
		_shown = text
		_text.text = text
	# What has been shown to its end changes only by the answer of a tool.
	set_process(_turn.status == DramatisTurn.Status.RUNNING or _turn.is_held())


func _describe() -> String:
	var rows: PackedStringArray = [_heading()]
	for tag in _turn.tags:
		rows.append(_row(tag))
	rows.append(_footing())
	return "\n".join(rows)


func _heading() -> String:
	var what := "answers a tool's result" if _turn.is_follow_up() else _turn.model
	return (
		"[b][color=%s]%s[/color][/b] %s" % [_color.to_html(false), _speaker, _dim(_escaped(what))]
	)


func _row(tag: DramatisTag) -> String:
	var chip := "[bgcolor=#%s] %s [/bgcolor]" % [CHIPS.get(tag.kind, "444444"), _escaped(tag.name)]
	var parts: PackedStringArray = [chip]
	for key: Variant in tag.attributes:
		parts.append(_dim(_escaped(str(key) + "=")) + _escaped(str(tag.attributes[key])))
	if tag.kind == "speech":
		parts.append(_speech(tag))
	elif not tag.text.is_empty():
		parts.append("[i]%s[/i]" % _escaped(tag.text))
	parts.append(_outcome(tag))
	return " ".join(parts)


## What was seen, what has come and not been seen yet, what was cut off.
func _speech(tag: DramatisTag) -> String:
	var seen := tag.text if tag.presented_chars < 0 else tag.text.left(tag.presented_chars)
	var rest := tag.text.substr(seen.length())
	if rest.is_empty():
		return _escaped(seen)
	if tag.is_held():
		return _escaped(seen) + _dim(_escaped(rest))
	return "%s[color=#%s][b]|[/b] [s]%s[/s][/color]" % [_escaped(seen), CUT, _escaped(rest)]


func _outcome(tag: DramatisTag) -> String:
	match tag.outcome:
		"partial":
			var count := [tag.presented_chars, tag.text.length()]
			return "[color=#%s]cut after %d of %d[/color]" % ([CUT] + count)
		"failed", "cancelled", "skipped":
			var why := tag.detail if not tag.detail.is_empty() else str(_answers.get(tag.id, ""))
			return "[color=#%s]%s: %s[/color]" % [CUT, tag.outcome, _escaped(why)]
		"done":
			if _answers.has(tag.id):
				return "\n    [color=#%s]%s[/color]" % [DONE, _escaped(_answers[tag.id])]
	return ""


func _footing() -> String:
	if _turn.status == DramatisTurn.Status.RUNNING:
		return _dim("…")
	var facts: PackedStringArray = []
	if _turn.timings.has("first_speech"):
		facts.append("first speech %d ms" % _number(_turn.timings["first_speech"]))
	if _turn.timings.has("total"):
		facts.append("total %d ms" % _number(_turn.timings["total"]))
	if _turn.usage.has("output_tokens"):
		facts.append("%d tokens" % _number(_turn.usage["output_tokens"]))
	var text := _dim(SEPARATOR.join(facts))
	if _turn.status == DramatisTurn.Status.INTERRUPTED:
		text += (
			"  [color=#%s]interrupted: %s[/color]" % [CUT, _escaped(_turn.reason.replace("_", " "))]
		)
	if not _turn.context.is_empty():
		text += "\n" + _dim(context_in_words(_turn.context))
	return "[font_size=12]%s[/font_size]" % text


func _number(value: Variant) -> int:
	return int(str(value).to_float())


func _dim(text: String) -> String:
	return "[color=#%s]%s[/color]" % [DIM, text]


func _escaped(text: String) -> String:
	return text.replace("[", "[lb]")
