class_name SidePanel
extends PanelContainer
## What happens between game and server, as it happens; what the player carries; and the buttons.

signal rain_wanted
signal save_wanted
signal load_wanted
signal settings_wanted
signal item_offered(item: String)

const CARD := preload("res://tavern/panel/turn_card.tscn")
const MOST_ENTRIES := 40
const STATES: Dictionary[int, Array] = {
	0: ["offline", Color("8a8a94")],
	1: ["connecting", Color("e6b450")],
	2: ["connected", Color("7fce8f")],
	3: ["waiting", Color("e8705f")],
}

var _cards: Dictionary[String, TurnCard] = {}
## The newest stays in sight, unless somebody has scrolled up to read.
var _follows := true

@onready var _state: Label = %State
@onready var _entries: VBoxContainer = %Entries
@onready var _bar: VScrollBar = (%Scroll as ScrollContainer).get_v_scroll_bar()
@onready var _carried: HBoxContainer = %Carried
@onready var _pockets: HFlowContainer = %Pockets
@onready var _rain: Button = %Rain


func _ready() -> void:
	_rain.pressed.connect(rain_wanted.emit)
	(%Save as Button).pressed.connect(save_wanted.emit)
	(%Load as Button).pressed.connect(load_wanted.emit)
	(%Settings as Button).pressed.connect(settings_wanted.emit)
	_bar.changed.connect(_on_length_changed)
	_bar.value_changed.connect(_on_scrolled)
	DramatisClient.message_sent.connect(_on_message_sent)


func _process(_delta: float) -> void:
	var state: Array = STATES[DramatisClient.state]
	_state.text = str(state[0])
	_state.modulate = state[1]


## Shows the turns of this character.
func watch(character: Character) -> void:
	character.agent.turn_started.connect(_on_turn_started.bind(character))


## Shows a line that somebody says, or, without a speaker, what happens.
func add_note(text: String, speaker := "", color := Color("c9b98f")) -> void:
	var note := RichTextLabel.new()
	note.fit_content = true
	note.bbcode_enabled = true
	var plain := text.replace("[", "[lb]")
	if speaker.is_empty():
		note.text = "[color=#c9b98f]· [i]%s[/i][/color]" % plain
	else:
		note.text = "[color=%s][b]%s[/b][/color] %s" % [color.to_html(false), speaker, plain]
	_add(note)


## Shows what the player carries; a click offers it to whom the player talks to.
func show_pockets(items: Array[String]) -> void:
	_carried.visible = not items.is_empty()
	for old in _pockets.get_children():
		old.queue_free()
	for item in items:
		var button := ItemButton.new()
		button.item = item
		button.pressed.connect(item_offered.emit.bind(item))
		_pockets.add_child(button)


func rain_has_come(is_raining: bool) -> void:
	_rain.disabled = is_raining


func clear() -> void:
	_cards.clear()
	for entry in _entries.get_children():
		entry.queue_free()


func _add(entry: Control) -> void:
	_entries.add_child(entry)
	if _entries.get_child_count() > MOST_ENTRIES:
		var oldest := _entries.get_child(0)
		if oldest is TurnCard:
			_cards.erase((oldest as TurnCard).turn_id())
		oldest.queue_free()


## There is more or less to see than before.
func _on_length_changed() -> void:
	if _follows:
		_bar.value = _bar.max_value


func _on_scrolled(_to: float) -> void:
	_follows = _bar.value + _bar.page >= _bar.max_value - 60.0


func _on_turn_started(turn: DramatisTurn, character: Character) -> void:
	var card: TurnCard = CARD.instantiate()
	card.show_turn(turn, character.name, character.color)
	_cards[turn.id] = card
	_add(card)


func _on_message_sent(message: Dictionary) -> void:
	if message["type"] != "tool_results":
		return
	var card: TurnCard = _cards.get(str(message["turn_id"]))
	var results: Array = message["results"]
	if card != null:
		for result: Dictionary in results:
			card.add_answer(result)
