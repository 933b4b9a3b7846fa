class_name Character
extends Figure
## A person whom the server plays. Shows what the agent says and does, in its order: a deed waits
## until what was said before it has been heard, and is reported when it is over. What only one of
## them can do is in the scripts that extend this.

## This character takes what the player has offered, or gives it back.
signal item_taken(item: String)
signal item_refused(item: String)

## How long a feeling stays on a face.
const FEELING_SECONDS := 14.0
## After so much rest, everybody goes back to where they belong.
const HOME_AFTER := 25.0
## So near to a point is there.
const NEAR := 6.0

@export var room: Room
@export var color := Color("d9695f")
## Ready-made lines to say to this character.
@export var lines: PackedStringArray = []

## What this character has a use for.
@export var wants: PackedStringArray = []

## Whom this character looks at when it speaks.
var partner: Figure

var _home: Vector2
## What the agent says and does and has not been shown to its end, in order.
var _acts: Array[DramatisTag] = []
var _deed: DramatisTag
## How the deed goes on by itself.
var _course: Tween
## What the player holds out, by the event that tells of it.
var _offers: Dictionary[String, String] = {}
var _feeling_left := 0.0
var _rested := 0.0

@onready var agent: DramatisAgent = $Agent
@onready var speech: DramatisSpeech = $Speech
@onready var bubble: Bubble = $Overlay/Bubble
@onready var caption: Caption = $Overlay/Below/Caption
@onready var emote: Emote = $Overlay/Emote


func _ready() -> void:
	super()
	_home = position
	bubble.color = color
	bubble.speaker = name
	caption.title = name
	caption.color = color
	agent.turn_started.connect(_on_turn_started)
	agent.tag_opened.connect(_on_tag_opened)
	agent.turn_finished.connect(_on_turn_finished)
	agent.turn_interrupted.connect(_on_turn_interrupted)
	agent.event_dropped.connect(_on_event_dropped)
	speech.started.connect(_on_speech_started)
	speech.finished.connect(_on_speech_finished)


func _process(delta: float) -> void:
	super(delta)
	_begin_next_deed()
	_rest(delta)
	var overhead := mouth_point()
	bubble.target = overhead
	emote.position = overhead + Vector2(facing * -44.0, 18)
	caption.foot = position


## Something is said to this character. Gives the event's id; empty: it can't be sent.
func hear(
	text: String, speaker: Dictionary, options: Dictionary = {}, data: Variant = null
) -> String:
	var event_id := agent.interact(text, speaker, data, options)
	if not event_id.is_empty():
		bubble.think(not speech.is_busy())
	return event_id


## The player holds something out with these words. It changes hands when the character turns to it,
## and not before: see [signal item_taken].
func be_offered(item: String, text: String, giver: Dictionary) -> void:
	var type := "player_gave_item"
	if not takes(item):
		type = "player_offered_item"
		var what := (
			"%s held out %s and got it back with a shake of the head"
			% [giver["name"], Inventory.title(item)]
		)
		agent.notify_event(what, {}, null, {"event_type": "item_given_back"})
	var event_id := hear(text, giver, {"event_type": type}, {"item": item})
	if not event_id.is_empty():
		_offers[event_id] = item


## Whether something that was offered has neither been taken nor given back.
func is_offered(item: String) -> bool:
	return item in _offers.values()


## Whether this character has a use for something. Override it for what depends.
func takes(item: String) -> bool:
	return item in wants


## Something is this character's from now on. Override it for what follows from that.
func receive(_item: String) -> void:
	pass


## Whether this character says something, or thinks about what to say.
func is_talking() -> bool:
	return speech.is_busy() or bubble.is_thinking()


## Stops in the middle of whatever it says.
func fall_silent(why: String) -> void:
	agent.cancel(why)
	bubble.think(false)


## Walks there, or beside whoever stands there. `false`: it was stopped on the way.
func walk_to(point: Vector2) -> bool:
	return not _set_out(point) or await arrived


## Back to the beginning, as after loading.
func reset() -> void:
	_break_off()
	position = _home
	feeling = Face.CALM
	_offers.clear()
	bubble.think(false)


## Begins what a tag says; [method _end_deed] must follow. Override it for more deeds. Nothing here
## waits by `await`: a game that ends in the middle of a deed leaves nothing behind.
func _begin_deed(deed: String, tag: DramatisTag) -> void:
	match deed:
		"emotion":
			_feel(str(tag.attributes.get("name", Face.CALM)))
			_end_deed()
		"go_to":
			_go_to(str(tag.attributes.get("place", "")))
		_:
			gesture(deed)
			if deed == "step_back" and partner != null:
				var away := signf(position.x - partner.position.x)
				var back := room.clamped(position + Vector2(away * 34.0, 0))
				if room.is_free(back, self):
					walk([back])
			caption.tell(tag.text if not tag.text.is_empty() else deed.replace("_", " "))
			_end_deed_after(GESTURE_SECONDS)


## The deed is over: it worked, or there was a problem.
func _end_deed(problem := "") -> void:
	if _deed == null:
		return
	var tag := _deed
	_deed = null
	_let_go(tag)
	if problem.is_empty():
		tag.finish()
		return
	tag.finish("failed", problem)
	caption.tell("can't: " + problem, true)


func _end_deed_after(seconds: float) -> void:
	_course = create_tween()
	_course.tween_interval(seconds)
	_course.tween_callback(_end_deed)


## Walks there, and then goes on with whether it was reached.
func _walk_and(then: Callable, point: Vector2) -> void:
	if _set_out(point):
		arrived.connect(then, CONNECT_ONE_SHOT)
	else:
		then.call(true)


## Begins to walk there, or to a free place beside it. `false`: it is there.
func _set_out(point: Vector2) -> bool:
	stop()
	var place := room.free_place(point, self)
	if position.distance_to(place) < NEAR:
		return false
	walk(room.way(position, place))
	return true


func _go_to(place: String) -> void:
	if not Room.PLACES.has(place):
		_end_deed("there is no such place here")
		return
	caption.tell("goes to the %s" % place)
	var beside := Vector2(-44.0 if place == "bar" else 0.0, 0)
	_walk_and(_end_walk, Room.PLACES[place] + beside)


func _end_walk(reached: bool) -> void:
	_end_deed("" if reached else "did not get there")


func _feel(named: String) -> void:
	feeling = named
	_feeling_left = FEELING_SECONDS
	if Face.has(named):
		emote.show_feeling(named)
	else:
		caption.tell(named)


func _begin_next_deed() -> void:
	if _deed != null or _acts.is_empty():
		return
	if _acts[0].kind == "action" and _acts[0].closed:
		_do(_acts[0])


func _do(tag: DramatisTag) -> void:
	_deed = tag
	# The vocabulary has deeds as tags of their own, and many small ones as names of `action`.
	var is_small := tag.name == "action"
	_begin_deed(str(tag.attributes.get("name", "")) if is_small else tag.name, tag)


func _let_go(tag: DramatisTag) -> void:
	_acts.erase(tag)
	# A tag that its own signal holds would never be freed.
	tag.cut.disconnect(_on_deed_cut.bind(tag))


func _break_off() -> void:
	_deed = null
	if _course != null:
		_course.kill()
	stop()
	modulate.a = 1.0


func _rest(delta: float) -> void:
	_feeling_left -= delta
	if _feeling_left < 0.0 and feeling != Face.CALM:
		feeling = Face.CALM
	_rested = 0.0 if agent.is_busy() or is_walking() else _rested + delta
	if _rested > HOME_AFTER:
		_rested = 0.0
		_set_out(_home)


## A timer of its own, and not one of the tree's: what waits for it goes with the character.
func _seconds(count: float) -> void:
	var timer := Timer.new()
	timer.one_shot = true
	add_child(timer)
	timer.start(count)
	await timer.timeout
	timer.queue_free()


func _on_turn_started(turn: DramatisTurn) -> void:
	if partner != null and not is_walking():
		look_at_point(partner.position)
	for event_id: Variant in turn.event_ids:
		var item: String = _offers.get(str(event_id), "")
		if _offers.erase(str(event_id)):
			_answer_offer(item)


func _answer_offer(item: String) -> void:
	if takes(item):
		gesture("hand_over")
		caption.tell("takes %s" % Inventory.title(item))
		receive(item)
		item_taken.emit(item)
	else:
		gesture("shake_head")
		caption.tell("shakes the head, gives it back")
		item_refused.emit(item)


func _on_tag_opened(tag: DramatisTag) -> void:
	bubble.think(false)
	if tag.kind == "tool":
		return
	_acts.append(tag)
	if tag.kind == "action":
		tag.hold()
		tag.cut.connect(_on_deed_cut.bind(tag))


func _on_deed_cut(tag: DramatisTag) -> void:
	_let_go(tag)
	tag.finish("cancelled", "was interrupted")
	if tag == _deed:
		_break_off()
		# Whoever is stopped on the way may stand in somebody's place.
		_set_out(position)


func _on_speech_started(_tag: DramatisTag) -> void:
	bubble.begin()
	is_speaking = true


func _on_speech_finished(tag: DramatisTag) -> void:
	_acts.erase(tag)
	is_speaking = false
	if tag.outcome == "partial" and tag.presented_chars > 0:
		bubble.mark_cut()


func _on_turn_finished(_turn: DramatisTurn) -> void:
	bubble.think(false)


func _on_turn_interrupted(_turn: DramatisTurn, reason: String) -> void:
	if reason not in ["newer_event", "cancelled"]:
		bubble.think(false)


func _on_event_dropped(event_id: String, _reason: String) -> void:
	_offers.erase(event_id)
	bubble.think(false)
