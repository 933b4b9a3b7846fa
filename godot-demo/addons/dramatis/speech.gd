@icon("icons/speech.svg")
class_name DramatisSpeech
extends Node
## Types what a character says into a label while it arrives, and tells the character how much of
## it the player has seen.
##
## Put it under a [DramatisAgent] or beside one, and give it a [RichTextLabel] or a [Label]. The
## speeches of a character follow each other. A label that shall not grow while it is being typed
## into has its [code]visible_characters_behavior[/code] after shaping.

## A speech begins to show.
signal started(tag: DramatisTag)
## A speech has been shown completely, or was cut off where [member DramatisTag.presented_chars]
## says; one that was cut before its turn came was never [signal started].
signal finished(tag: DramatisTag)

## How many characters long the pause after a sentence is, and the one within it.
const SENTENCE_PAUSE := 9.0
const CLAUSE_PAUSE := 4.0

## Whose speech; empty: the parent's or a sibling's.
@export var agent: DramatisAgent
## Where it is typed: a [RichTextLabel] or a [Label]; empty: the parent, if it is one.
@export var label: Control
@export_range(1.0, 500.0, 1.0, "or_greater") var characters_per_second := 30.0
## How many seconds a speech stays when it has been shown, before the next one or nothing.
@export_range(0.0, 10.0, 0.1, "or_greater") var linger := 1.0
## The same for one that was cut off, if another follows: who interrupts wants an answer soon.
@export_range(0.0, 10.0, 0.1, "or_greater") var linger_when_cut := 0.5

var _waiting: Array[DramatisTag] = []
var _current: DramatisTag
var _text := ""
var _time := 0.0
## How long the last speech has stayed, and how long it must before the next.
var _stayed := 0.0
var _must_stay := 0.0


func _ready() -> void:
	if agent == null:
		agent = _find_agent()
	if label == null and _can_show(get_parent()):
		label = get_parent()
	if agent == null:
		push_error("%s: no DramatisAgent is its parent or beside it; set `agent`" % get_path())
		return
	if not _can_show(label):
		push_error("%s: `label` must be a RichTextLabel or a Label" % get_path())
	_show("", 0)
	agent.tag_opened.connect(_on_tag_opened)


func _exit_tree() -> void:
	# Nobody will show the rest; a turn must not wait for it.
	while not _waiting.is_empty():
		_cut(_waiting[-1])
	if _current != null:
		_cut(_current)


func _process(delta: float) -> void:
	if _current != null:
		_type(delta)
	else:
		_rest(delta)


## Shows at once all of the speech that has arrived; of one that only stays, lets the next begin.
func skip() -> void:
	if _current == null:
		_must_stay = 0.0
		return
	_current.presented_chars = _current.text.length()
	_show(_current.text, _current.presented_chars)


## Whether something is being shown or waits for it.
func is_busy() -> bool:
	return _current != null or not _waiting.is_empty()


func _on_tag_opened(tag: DramatisTag) -> void:
	if tag.kind != "speech":
		return
	tag.hold()
	tag.presented_chars = 0
	tag.cut.connect(_cut.bind(tag))
	_waiting.append(tag)


func _type(delta: float) -> void:
	var text := _current.text
	var shown := _current.presented_chars
	_time += delta * characters_per_second
	while shown < text.length() and _time >= _cost(text, shown):
		_time -= _cost(text, shown)
		shown += 1
	if shown == text.length():
		# Time in which nothing arrived is no credit for what arrives next.
		_time = 0.0
	if shown != _current.presented_chars or text != _text:
		_current.presented_chars = shown
		_show(text, shown)
	if _current.closed and shown == text.length():
		_end("done", _current)


## Waits until the last speech has stayed for long enough, and begins the next.
func _rest(delta: float) -> void:
	_stayed += delta
	if not _waiting.is_empty():
		if _stayed < _must_stay:
			return
		_current = _waiting.pop_front()
		_time = 0.0
		_show("", 0)
		started.emit(_current)
	elif _stayed >= linger and not _text.is_empty():
		_show("", 0)


func _cut(tag: DramatisTag) -> void:
	if tag == _current or tag in _waiting:
		_end("partial", tag)


func _end(outcome: String, tag: DramatisTag) -> void:
	_waiting.erase(tag)
	# A tag that its own signal holds would never be freed.
	tag.cut.disconnect(_cut.bind(tag))
	if tag == _current:
		_current = null
		_stayed = 0.0
		_must_stay = linger if outcome == "done" else linger_when_cut
		if tag.presented_chars == 0:
			_must_stay = 0.0
	tag.finish(outcome)
	finished.emit(tag)


## How much time the next character takes, in characters: a voice rests where a sentence ends.
func _cost(text: String, shown: int) -> float:
	if shown == 0 or text[shown] not in [" ", "\n"]:
		return 1.0
	if text[shown - 1] in [".", "!", "?", "…", ":"]:
		return SENTENCE_PAUSE
	return CLAUSE_PAUSE if text[shown - 1] in [",", ";", "–", "—"] else 1.0


func _show(text: String, shown: int) -> void:
	var before := _text
	_text = text
	if not is_instance_valid(label):
		return
	if label is RichTextLabel:
		var rich: RichTextLabel = label
		if text != before:
			_put(rich, text, before)
		rich.visible_characters = shown
	elif label is Label:
		var plain: Label = label
		plain.text = text
		plain.visible_characters = shown


## Writes the text where the one before stands. Adds it, and does not set it: what a model writes is
## never markup of ours. What only goes on is added to the rest, so that a long speech is not laid
## out anew with each word.
func _put(rich: RichTextLabel, text: String, before: String) -> void:
	var stands := not before.is_empty() and rich.get_total_character_count() == before.length()
	if stands and text.begins_with(before):
		rich.add_text(text.substr(before.length()))
	else:
		rich.clear()
		rich.add_text(text)


func _find_agent() -> DramatisAgent:
	var parent := get_parent()
	if parent is DramatisAgent:
		return parent
	for sibling in parent.get_children():
		if sibling is DramatisAgent:
			return sibling
	return null


func _can_show(node: Node) -> bool:
	return node is RichTextLabel or node is Label
