extends Node
## The connection of a game to its dramatis server, as the autoload [code]DramatisClient[/code].
##
## Connects by itself, and again when the connection breaks, always to the same play session: the
## characters remember. Events that happen while the server is away wait a little for it. Lives
## through changes of scene; characters come and go as [DramatisAgent] nodes.

## The connection has another state.
signal state_changed(state: State)
## The server has greeted us, and the play session goes on.
signal connected(session_id: String)
## The connection broke, or the server closed it. [param code] is the WebSocket's, -1: none came.
signal disconnected(code: int, reason: String)
## The next attempt comes in so many seconds.
signal reconnecting(seconds: float)
## The server complains, or the client itself: [code]code[/code], [code]message[/code] and what else
## [code]protocol/README.md[/code] lists under [code]error[/code].
signal failed(error: Dictionary)
## Every message from the server, before it is acted on.
signal message_received(message: Dictionary)
## Every message to the server, when it is sent.
signal message_sent(message: Dictionary)

enum State {
	OFFLINE,  ## Not connected, and not trying to.
	CONNECTING,  ## On the way.
	ONLINE,  ## Connected and greeted.
	WAITING,  ## Not connected; the next attempt comes by itself.
}

const Connection := preload("connection.gd")
const Data := preload("plain_data.gd")
const OfflineQueue := preload("offline_queue.gd")
const Unconfirmed := preload("unconfirmed.gd")

const URL_SETTING := "dramatis/server/url"
const TOKEN_SETTING := "dramatis/server/token"
const CONNECT_SETTING := "dramatis/server/connect_on_start"
const DEFAULT_URL := "ws://127.0.0.1:8000/ws"

const PROTOCOL := "1"
const SAVE_POINT_VERSION := 1

## How often the server is asked for a sign of life, and how long it may give none.
const PING_EVERY_MS := 15_000
const SILENCE_MS := 45_000

## How long a greeting may take.
const WELCOME_MS := 10_000

## Errors after which the server closes. The engine drops what comes together with the closing, so
## that the code may be all that is heard of them.
const CLOSING_ERRORS: Dictionary[int, Array] = {
	4001: ["unauthorized", "the server refuses the access token"],
	4009: ["session_taken", "another connection has taken over the play session"],
}

## A frame that took longer than this was a stall: nothing is held against the server for it.
const STALL_MS := 1_000

## The server's address, [code]ws://[/code] or [code]wss://[/code].
var url := DEFAULT_URL
## The access token, if the server asks for one.
var token := ""
## The game's name, for the server's log.
var game := ""
## The play session: whatever has been lived through under this name is remembered.
var session_id := ""
## How it stands with the connection. Only to be read.
var state := State.OFFLINE
## What the server allows, as its last [code]welcome[/code] told.
var limits: Dictionary = {}
## How long the last ping took, in milliseconds; -1: none has come back yet.
var latency_ms := -1

var _connection := Connection.new()
var _queue := OfflineQueue.new()
var _unconfirmed := Unconfirmed.new()
var _agents: Dictionary[String, DramatisAgent] = {}
## Each character's last turn that has ended.
var _last_turns: Dictionary[String, String] = {}
## What the next greeting asks for beside the session: to take up a saved game.
var _arrival: Dictionary = {}
## The arrival was asked for before, and it isn't known whether it happened.
var _is_arrival_retried := false
var _hello_id := ""
## The code of the last error on this connection.
var _last_error := ""
var _greeting_since_ms := 0
var _heard_ms := 0
var _pinged_ms := 0
var _polled_ms := 0


func _init() -> void:
	process_mode = Node.PROCESS_MODE_ALWAYS
	# Before the characters of the same frame: they act on what has come.
	process_priority = -100
	session_id = new_id()
	url = ProjectSettings.get_setting(URL_SETTING, DEFAULT_URL)
	token = ProjectSettings.get_setting(TOKEN_SETTING, "")
	game = ProjectSettings.get_setting("application/config/name", "")
	_connection.opened.connect(_greet)
	_connection.received.connect(_receive)
	_connection.closed.connect(_lose)


func _ready() -> void:
	_polled_ms = Time.get_ticks_msec()
	if state == State.OFFLINE and ProjectSettings.get_setting(CONNECT_SETTING, true):
		connect_to_server()


func _process(_delta: float) -> void:
	var now := Time.get_ticks_msec()
	var stalled := now - _polled_ms > STALL_MS
	_polled_ms = now
	_connection.poll(now)
	_give_up(_queue.take_expired(now))
	if stalled:
		_heard_ms = now
		_greeting_since_ms = now
	elif state == State.ONLINE:
		_keep_alive(now)
	elif _connection.state == Connection.State.OPEN and now - _greeting_since_ms > WELCOME_MS:
		_connection.lose("the server did not greet in time")


func _notification(what: int) -> void:
	if what == NOTIFICATION_EXIT_TREE:
		_connection.close(1000, "the game ends")


## A name that nobody else has, for sessions, events and messages.
static func new_id() -> String:
	return Crypto.new().generate_random_bytes(12).hex_encode()


## Connects, or connects anew. Without an address, to [member url] with [member token]; another
## address gets the token that is given with it or none, never that of the server before.
func connect_to_server(to_url := "", with_token := "") -> void:
	if not to_url.is_empty() and to_url != url:
		url = to_url
		token = with_token
	elif not with_token.is_empty():
		token = with_token
	_leave(State.CONNECTING)
	_connection.open(url, Time.get_ticks_msec())


## Disconnects, and stays away until [method connect_to_server].
func disconnect_from_server() -> void:
	_leave(State.OFFLINE)


## Begins a new game: nobody remembers anything. With the [param id] of a session that was, that one
## goes on instead.
func start_session(id := "") -> void:
	_enter_session(id if not id.is_empty() else new_id(), {}, {})


## What a game puts into its save file, plain data: the play session and how far each character has
## come in it.
func save_point() -> Dictionary:
	return {
		"version": SAVE_POINT_VERSION,
		# The copy of a saved game is made by the server: until it is, only the original can be saved.
		"session_id": _arrival.get("fork_of", session_id),
		"turns": _last_turns.duplicate(),
	}


## Takes up a saved game: everybody remembers what they had lived through by then, and nothing that
## came later. The save point stays good: the game goes on in a copy of its session.
func resume(point: Dictionary) -> void:
	var saved_session: Variant = point.get("session_id")
	var turns: Variant = point.get("turns")
	if not (saved_session is String and turns is Dictionary):
		failed.emit(_complaint("bad_save_point", "the save point holds no session and turns"))
		return
	var arrival := {
		"fork_of": saved_session,
		"resume_after": turns,
		"forget_others": true,
	}
	var last: Dictionary[String, String] = {}
	var saved_turns: Dictionary = turns
	for id: Variant in saved_turns:
		last[str(id)] = str(saved_turns[id])
	_enter_session(new_id(), arrival, last)


## Sends a message. [code]false[/code]: it was given up. Events wait while the server is away, and
## reports and the answers of tools until the server has stored them.
func send(message: Dictionary) -> bool:
	var now := Time.get_ticks_msec()
	match str(message.get("type")):
		"agent_turn_result", "tool_results":
			if not message.has("message_id"):
				message["message_id"] = new_id()
			var is_online := state == State.ONLINE
			_unconfirmed.add(_kept(message), now if is_online else Unconfirmed.NEVER_MS)
			return not is_online or _send_now(message)
		"interaction_event", "notification_event":
			# A connection that has just broken counts as online until the next frame.
			if state != State.ONLINE or not _connection.is_open():
				var pushed_out := _queue.add(_kept(message), now)
				if not pushed_out.is_empty():
					_give_up([pushed_out])
				return true
	return state == State.ONLINE and _send_now(message)


## The character of that id, or [code]null[/code].
func agent(id: String) -> DramatisAgent:
	return _agents.get(id)


## Tells of a character in the tree. [DramatisAgent]s do so themselves.
func add_agent(newcomer: DramatisAgent) -> void:
	var id := newcomer.id()
	var other: DramatisAgent = _agents.get(id)
	if other != null and other != newcomer:
		push_error("Two DramatisAgents have the agent_id “%s”; the newer one takes over." % id)
		other.leave()
	_agents[id] = newcomer


## A character leaves the tree.
func remove_agent(leaver: DramatisAgent) -> void:
	if _agents.get(leaver.id()) == leaver:
		_agents.erase(leaver.id())


## Forgets the events of a character that wait for the server.
func cancel_waiting(agent_id: String) -> void:
	_give_up(_queue.take_of(agent_id), "cancelled")


## Whether an event waits for the server.
func is_waiting(event_id: String) -> bool:
	return _queue.has(event_id)


## Notes how far a character has come, for [method save_point].
func note_turn(agent_id: String, turn_id: String) -> void:
	_last_turns[agent_id] = turn_id


## Runs a tool, and answers the model with what it returns. The client does it because a coroutine
## must not outlive its object, as a character may be gone before its tool has ended.
func answer_tool(message: Dictionary, tag: DramatisTag, run: Callable) -> void:
	var result := {"tag_id": tag.id, "name": tag.name, "ok": false}
	var session := session_id
	# What became of it isn't known before it has answered.
	tag.hold()
	if run.is_valid():
		var arguments := tag.arguments if not tag.arguments.is_empty() else tag.attributes
		var output: Variant = await run.call(arguments)
		if output is DramatisAgent.ToolFailure:
			var failure: DramatisAgent.ToolFailure = output
			result["output"] = failure.why
		else:
			result["ok"] = true
			result["output"] = output
	else:
		result["output"] = "the game has no tool of this name"
		push_warning("No tool “%s” is registered, or who ran it is gone." % tag.name)
	if session == session_id:
		message["results"] = [result]
		send(message)
	tag.finish("done" if result["ok"] else "failed")


func _enter_session(id: String, arrival: Dictionary, turns: Dictionary[String, String]) -> void:
	var was_connected := state != State.OFFLINE
	_leave(State.CONNECTING if was_connected else State.OFFLINE, true)
	_give_up(_queue.take_all())
	_unconfirmed.clear()
	session_id = id
	_arrival = arrival
	_is_arrival_retried = false
	_last_turns = turns
	if was_connected:
		connect_to_server()


## Leaves the server, and perhaps the play session too.
func _leave(next: State, leaves_session := false) -> void:
	var before := state
	# What characters begin when they hear of it is for the next connection.
	state = next
	if leaves_session:
		for each in _everybody():
			if is_instance_valid(each):
				each.leave_session()
	elif before == State.ONLINE:
		_tell_agents_of_loss()
	if state != next:
		# Somebody who heard of it has decided otherwise.
		return
	if before == State.ONLINE:
		# It still listens: it shall know what was seen of the turns that end here.
		for report in _unconfirmed.take_due(Time.get_ticks_msec()):
			_send_now(report)
	_connection.close()
	if next != before:
		state_changed.emit(next)


## A message as it is now: it is sent later, when the game may have changed what is in it.
func _kept(message: Dictionary) -> Dictionary:
	return Data.of(message)


func _set_state(new_state: State) -> void:
	if new_state != state:
		state = new_state
		state_changed.emit(state)


func _greet() -> void:
	_greeting_since_ms = Time.get_ticks_msec()
	_hello_id = new_id()
	_last_error = ""
	var hello := {
		"type": "hello",
		"message_id": _hello_id,
		"protocol": PROTOCOL,
		"session_id": session_id,
	}
	if not game.is_empty():
		hello["game"] = game
	if not token.is_empty():
		hello["token"] = token
	hello.merge(_arrival)
	_send_now(hello)


func _send_now(message: Dictionary) -> bool:
	# Unsorted: the order of a dossier is the game's.
	var text := JSON.stringify(Data.of(message), "", false)
	var most: int = limits.get("max_message_bytes", 1 << 20)
	if text.length() > most or text.to_utf8_buffer().size() > most:
		var what := "a message of type %s is longer than %d bytes" % [message["type"], most]
		var complaint := _complaint("too_large", what + "; it was not sent")
		complaint["in_reply_to"] = str(message.get("message_id", message.get("event_id", "")))
		_complain(message, complaint)
		_unconfirmed.confirm(str(message.get("message_id")))
		return false
	if not _connection.send(text):
		return false
	message_sent.emit(message)
	return true


func _receive(message: Dictionary) -> void:
	_heard_ms = Time.get_ticks_msec()
	message_received.emit(message)
	match str(message.get("type")):
		"welcome":
			_welcome(message)
		"pong":
			latency_ms = _heard_ms - int(str(message.get("nonce", _heard_ms)).to_float())
		"stored":
			_unconfirmed.confirm(str(message.get("in_reply_to")))
		"error":
			_take_error(message)
		_:
			_hand_on(message)


func _welcome(message: Dictionary) -> void:
	limits = message.get("limits", {})
	_arrival = {}
	_is_arrival_retried = false
	_connection.succeed()
	# The first ping goes at once.
	_pinged_ms = -PING_EVERY_MS
	# What waited goes before what the game does when it hears of the connection.
	state = State.ONLINE
	for unconfirmed in _unconfirmed.take_all(_heard_ms):
		_send_now(unconfirmed)
	for event in _queue.take_all():
		_send_now(event)
	state_changed.emit(State.ONLINE)
	connected.emit(session_id)


func _take_error(message: Dictionary) -> void:
	var cause := str(message.get("in_reply_to", ""))
	_last_error = str(message.get("code"))
	if cause == _hello_id and state != State.ONLINE and not _arrival.is_empty():
		_take_refusal(message)
		return
	if not message.get("retryable", false):
		_unconfirmed.confirm(cause)
	_complain(message, message)


## The saved game can't be taken up, or not now.
func _take_refusal(refusal: Dictionary) -> void:
	# The copy was made, and the connection broke before the answer came: it only has to be entered.
	var was_copied := _is_arrival_retried and str(refusal.get("field")) == "session_id"
	if str(refusal.get("field")) == "fork_of" and str(refusal["code"]) == "bad_message":
		var lost := "the server doesn't know the saved game: the characters begin anew"
		failed.emit(_complaint("unknown_save_point", lost))
	elif not was_copied:
		failed.emit(refusal)
	if refusal.get("retryable", false):
		_connection.lose("the server can't take up the saved game now")
	elif was_copied:
		_arrival.erase("fork_of")
		_greet()
	elif str(refusal["code"]) == "bad_message":
		_arrival = {}
		_last_turns = {}
		_greet()


func _complain(about: Dictionary, error: Dictionary) -> void:
	failed.emit(error)
	var concerned: DramatisAgent = _agents.get(str(about.get("agent_id", "")))
	if concerned != null:
		concerned.fail(error)


func _complaint(code: String, text: String) -> Dictionary:
	return {"type": "error", "code": code, "message": text, "retryable": false}


func _hand_on(message: Dictionary) -> void:
	var addressee: DramatisAgent = _agents.get(str(message.get("agent_id", "")))
	if addressee != null:
		addressee.take(message)


func _lose(code: int, reason: String, again_in: float) -> void:
	var was_online := state == State.ONLINE
	_is_arrival_retried = not _arrival.is_empty()
	_set_state(State.OFFLINE if again_in < 0.0 else State.WAITING)
	if was_online:
		_tell_agents_of_loss()
	var closing: Array = CLOSING_ERRORS.get(code, ["", ""])
	if closing[0] != "" and closing[0] != _last_error:
		failed.emit(_complaint(str(closing[0]), str(closing[1])))
	disconnected.emit(code, reason)
	if again_in >= 0.0:
		reconnecting.emit(again_in)
	else:
		_give_up(_queue.take_all())


func _tell_agents_of_loss() -> void:
	for each in _everybody():
		if is_instance_valid(each):
			each.lose_connection()


## All characters, as a list that stays the same while they come and go.
func _everybody() -> Array[DramatisAgent]:
	var all: Array[DramatisAgent] = []
	all.assign(_agents.values())
	return all


## Events that will never be sent.
func _give_up(events: Array[Dictionary], reason := "offline") -> void:
	for event in events:
		var concerned: DramatisAgent = _agents.get(str(event.get("agent_id", "")))
		if concerned != null and event["type"] == "interaction_event":
			concerned.drop_event(str(event["event_id"]), reason)


func _keep_alive(now: int) -> void:
	for message in _unconfirmed.take_due(now):
		_send_now(message)
	if now - _heard_ms > SILENCE_MS:
		_connection.lose("the server gives no sign of life")
	elif now - _pinged_ms > PING_EVERY_MS:
		_pinged_ms = now
		_send_now({"type": "ping", "nonce": now})
