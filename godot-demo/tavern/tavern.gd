class_name Tavern
extends Node2D
## The demo: a player, three characters whom a dramatis server plays, and what can happen between
## them. Brings input, talk, weather and the save file together; each of them lives in a script of
## its own.

## From so near one can talk to somebody.
const TALK_DISTANCE := 150.0
## From farther away nobody hears what somebody says.
const EARSHOT := 285.0
const INTRODUCTION := (
	"An inn beside the ferry landing. You are Wren, a courier, with a letter in your coat and a name"
	+ " to ask for. The lantern on the landing is dark."
)
## Where a click on somebody hits, around the feet.
const BODY := Rect2(-36, -150, 72, 156)

## Whom the player can talk to; `null`: nobody is near.
var partner: Character

## Who speaks while the player is near enough to hear it.
var _listened_to: Array[Character] = []

@onready var room: Room = $Room
@onready var player: Player = $People/Wren
@onready var maren: Maren = $People/Maren
@onready var oswin: Oswin = $People/Oswin
@onready var lio: Lio = $People/Lio
@onready var pockets: Inventory = $Pockets
@onready var talk_box: TalkBox = %TalkBox
@onready var side_panel: SidePanel = %SidePanel
@onready var settings: SettingsScreen = %SettingsScreen
@onready var people: Array[Character] = [maren, oswin, lio]

@onready var _bell: Timer = $Bell


func _ready() -> void:
	for character in people:
		character.partner = player
		side_panel.watch(character)
		character.item_taken.connect(_on_item_taken.bind(character))
		character.item_refused.connect(_on_item_refused.bind(character))
	pockets.changed.connect(func() -> void: side_panel.show_pockets(pockets.items))
	side_panel.show_pockets(pockets.items)
	side_panel.add_note(INTRODUCTION)
	side_panel.rain_wanted.connect(let_it_rain)
	side_panel.save_wanted.connect(save_game)
	side_panel.load_wanted.connect(load_game)
	side_panel.settings_wanted.connect(settings.open)
	side_panel.item_offered.connect(offer)
	talk_box.said.connect(say)
	room.weather.boat_landed.connect(_on_boat_landed)
	oswin.door_moved.connect(announce.bind("door_moved", oswin))
	_bell.timeout.connect(announce.bind("Out on the dark river a bell rings twice", "bell_rang"))
	oswin.lantern_lit.connect(_on_lantern_lit)
	ServerSettings.apply()


func _process(_delta: float) -> void:
	_find_partner()
	_leave_earshot()
	_place_bubble()


func _unhandled_input(event: InputEvent) -> void:
	if settings.visible:
		return
	if event.is_action_pressed("talk"):
		talk_box.begin_typing()
		get_viewport().set_input_as_handled()
	elif event.is_action_pressed("let_it_rain"):
		let_it_rain()
	elif event.is_action_pressed("save_game"):
		save_game()
	elif event.is_action_pressed("load_game"):
		load_game()
	elif event.is_action_pressed("open_settings"):
		settings.open()
	elif event is InputEventMouseButton:
		var click: InputEventMouseButton = event
		if click.pressed and click.button_index == MOUSE_BUTTON_LEFT:
			_click(click.position)


## The player says this to whoever is near. Whoever speaks is interrupted by it.
func say(text: String) -> void:
	if partner != null:
		_say_aloud(text)
		partner.hear(text, player.as_actor(), {"event_type": "player_spoke"})


## The player offers something to whoever is near, and keeps it until it is taken.
func offer(item: String) -> void:
	if partner == null:
		side_panel.add_note("There is nobody near to take it.")
		return
	if partner.is_offered(item):
		return
	var text := "For you, %s: %s." % [partner.name, Inventory.title(item)]
	if item == "letter":
		text = "I have only this letter. Blue wax, with a swallow in it."
	elif item == "oil" and partner == oswin:
		text = "Here is oil, Oswin. Would you light the lantern with it?"
	_say_aloud(text)
	partner.be_offered(item, text, player.as_actor())


func let_it_rain() -> void:
	if room.weather.is_raining:
		return
	room.weather.let_it_rain()
	side_panel.rain_has_come(true)
	announce("It has begun to rain again, harder than before", "rain_began")


## Something happens that everybody in the room learns of, but for the one who did it.
func announce(what: String, event_type: String, doer: Character = null) -> void:
	_describe()
	side_panel.add_note(what)
	for character in people:
		if character != doer:
			character.agent.notify_event(what, {}, null, {"event_type": event_type})


func save_game() -> void:
	var saved := {
		"point": DramatisClient.save_point(),
		"items": pockets.items,
		"stock": maren.stock(),
		"oil": oswin.has_oil,
		"door": room.door.in_words(),
		"weather":
		{
			"rain": room.weather.is_raining,
			"lantern": room.weather.lantern_burns,
			"boat": room.weather.boat(),
		},
		"bell": _bell.time_left,
		"people": _stances(),
	}
	var problem := SavedGame.write(saved)
	side_panel.add_note("Saved." if problem.is_empty() else "Not saved: %s" % problem)


func load_game() -> void:
	var saved := SavedGame.read()
	if saved.is_empty():
		side_panel.add_note("There is no saved game yet.")
		return
	for character in people:
		character.fall_silent("another game is loaded")
		character.reset()
	var point: Dictionary = saved["point"]
	DramatisClient.resume(point)
	_restore(saved)
	side_panel.clear()
	side_panel.add_note("Loaded: everybody remembers what they had lived through by then.")


func _restore(saved: Dictionary) -> void:
	var items: Array = saved["items"]
	pockets.replace(items)
	var stock: Dictionary = saved["stock"]
	maren.restock(stock)
	oswin.has_oil = saved["oil"]
	room.door.set_to(str(saved["door"]))
	var weather: Dictionary = saved["weather"]
	var rains: bool = weather["rain"]
	var lantern: bool = weather["lantern"]
	room.weather.set_to(rains, lantern, str(weather["boat"]).to_float())
	side_panel.rain_has_come(rains)
	_bell.stop()
	var rings_in := str(saved["bell"]).to_float()
	if rings_in > 0.0:
		_bell.start(rings_in)
	var stances: Dictionary = saved["people"]
	for figure in _figures():
		if stances.has(figure.name):
			var stance: Array = stances[figure.name]
			figure.stand(stance)
	_listened_to.clear()
	player.hush()
	_describe()


## Where everybody stands, and where they look, by their names.
func _stances() -> Dictionary:
	var stances := {}
	for figure in _figures():
		stances[str(figure.name)] = figure.stance()
	return stances


func _figures() -> Array[Figure]:
	var figures: Array[Figure] = [player]
	figures.append_array(people)
	return figures


func _say_aloud(text: String) -> void:
	_describe()
	player.look_at_point(partner.position)
	player.say(text)
	side_panel.add_note(text, player.name, Player.COLOR)


## Tells everybody how things stand, for when the server asks. As notes: the built-in actor reads
## out whole sentences.
func _describe() -> void:
	var guest := (
		"%s: at the %s, %s" % [player.name, room.place_name(player.position), pockets.in_words()]
	)
	for character in people:
		var own := "You: at the %s" % room.place_name(character.position)
		character.agent.situation = {"Scene": "\n".join([room.in_words(), own, guest])}


func _find_partner() -> void:
	var nearest: Character = null
	for character in people:
		var distance := character.position.distance_to(player.position)
		if distance > TALK_DISTANCE:
			continue
		if nearest == null or distance < nearest.position.distance_to(player.position):
			nearest = character
	if nearest != partner:
		partner = nearest
		talk_box.talk_to(partner)


## Who speaks to somebody that walks away falls silent.
func _leave_earshot() -> void:
	for character in people:
		var is_near := character.position.distance_to(player.position) < EARSHOT
		if not character.is_talking():
			_listened_to.erase(character)
		elif is_near and not character in _listened_to:
			_listened_to.append(character)
		elif not is_near and character in _listened_to:
			_listened_to.erase(character)
			character.fall_silent("the player walked away")
			var what := "%s walked away in mid-sentence" % player.name
			character.agent.notify_event(what, {}, null, {"event_type": "player_left"})
			side_panel.add_note("You walk out of earshot, and %s breaks off." % character.name)


## Beside others the player's own bubble leaves them the place above the heads.
func _place_bubble() -> void:
	if partner == null:
		player.bubble.side = 0.0
	else:
		player.bubble.side = -1.0 if partner.position.x >= player.position.x else 1.0


func _click(at: Vector2) -> void:
	for character in people:
		if Rect2(BODY.position + character.position, BODY.size).has_point(at):
			_walk_up_to(character)
			return
	get_viewport().gui_release_focus()
	player.go(at)


func _walk_up_to(character: Character) -> void:
	if partner == character:
		talk_box.begin_typing()
		return
	player.go(room.place_beside(character.position, player.position), character.position)
	var reached: bool = await player.arrived
	if reached:
		_find_partner()
		player.look_at_point(character.position)
		talk_box.begin_typing()


func _on_item_taken(item: String, character: Character) -> void:
	pockets.remove(item)
	_describe()
	side_panel.add_note("%s takes %s." % [character.name, Inventory.title(item)])


func _on_item_refused(item: String, character: Character) -> void:
	var what := "%s shakes the head and gives back %s."
	side_panel.add_note(what % [character.name, Inventory.title(item)])


func _on_lantern_lit() -> void:
	_bell.stop()
	announce("The lantern on the landing burns again", "lantern_lit", oswin)


## The one who waited for it speaks up without being asked.
func _on_boat_landed() -> void:
	var what := "A boat has come to the landing, and somebody in it is waving."
	side_panel.add_note(what)
	_describe()
	oswin.agent.interact(what, {}, null, {"event_type": "boat_landed", "interrupt": "queue"})
