extends Node
## A server of a unit test's own: greets, confirms, and else only keeps what comes and sends what it
## is told to.

const LIMITS := {"max_message_bytes": 65536, "max_waiting": 16}

## What has come, in order, but for pings.
var messages: Array[Dictionary] = []
## Whether it greets a game that says hello.
var greets := true
## Whether it confirms reports and the answers of tools.
var stores := true
## How many games have connected.
var connections := 0
var url := ""

var _listener := TCPServer.new()
var _peer: WebSocketPeer
var _port := 0
var _seq: Dictionary[String, int] = {}


func _ready() -> void:
	# Before the client: what it has sent in a frame has come in the next.
	process_priority = -200
	listen()


func _exit_tree() -> void:
	stop()


## Begins to listen; after a [method stop], where it listened before.
func listen() -> void:
	_listener.listen(_port, "127.0.0.1")
	_port = _listener.get_local_port()
	url = "ws://127.0.0.1:%d/ws" % _port


## Is gone from one moment to the next.
func stop() -> void:
	_listener.stop()
	if _peer != null:
		_peer.close(-1)
		_peer = null


## Closes the connection with a word.
func close(code: int, reason: String) -> void:
	_peer.close(code, reason)


func send(message: Dictionary) -> void:
	_peer.send_text(JSON.stringify(message))


## All messages of a type that have come.
func of_type(type: String) -> Array[Dictionary]:
	return messages.filter(func(each: Dictionary) -> bool: return each["type"] == type)


## The message of a type that came last; empty: none.
func last(type: String) -> Dictionary:
	var all := of_type(type)
	return all[-1] if not all.is_empty() else {}


## Begins a turn that answers the event that came last.
func begin_turn(agent_id: String, turn_id: String, origin := "llm") -> void:
	var event_id: String = last("interaction_event").get("event_id", "e")
	var event_ids := [] if origin == "tool_follow_up" else [event_id]
	_seq[turn_id] = 0
	_send_of_turn(
		agent_id,
		turn_id,
		"agent_turn_started",
		{"event_id": event_id, "event_ids": event_ids, "model": "m", "origin": origin}
	)


func open_tag(agent_id: String, turn_id: String, tag_id: int, fields: Dictionary = {}) -> void:
	var tag := {"tag_id": tag_id, "tag": "speech", "kind": "speech", "attributes": {}}
	tag.merge(fields, true)
	_send_of_turn(agent_id, turn_id, "agent_tag_open", tag)


func write(agent_id: String, turn_id: String, tag_id: int, text: String) -> void:
	_send_of_turn(agent_id, turn_id, "agent_tag_chunk", {"tag_id": tag_id, "text": text})


func close_tag(agent_id: String, turn_id: String, tag_id: int, complete := true) -> void:
	var fields := {"tag_id": tag_id, "tag": "speech", "complete": complete}
	_send_of_turn(agent_id, turn_id, "agent_tag_close", fields)


func finish_turn(agent_id: String, turn_id: String, fields: Dictionary = {}) -> void:
	var end := {"finish_reason": "stop", "timings": {"total": 12}, "warnings": {}}
	_send_of_turn(agent_id, turn_id, "agent_turn_finished", end.merged(fields))


func interrupt_turn(agent_id: String, turn_id: String, reason: String) -> void:
	_send_of_turn(
		agent_id,
		turn_id,
		"agent_turn_interrupted",
		{"reason": reason, "timings": {}, "warnings": {}}
	)


## A whole turn of one speech.
func speak(agent_id: String, turn_id: String, text: String) -> void:
	begin_turn(agent_id, turn_id)
	open_tag(agent_id, turn_id, 0)
	write(agent_id, turn_id, 0, text)
	close_tag(agent_id, turn_id, 0)
	finish_turn(agent_id, turn_id)


func _send_of_turn(agent_id: String, turn_id: String, type: String, fields: Dictionary) -> void:
	var message := {"type": type, "agent_id": agent_id, "turn_id": turn_id, "seq": _seq[turn_id]}
	_seq[turn_id] += 1
	message.merge(fields)
	send(message)


func _process(_delta: float) -> void:
	if _listener.is_connection_available():
		_peer = WebSocketPeer.new()
		_peer.inbound_buffer_size = 1 << 20
		_peer.outbound_buffer_size = 1 << 20
		_peer.accept_stream(_listener.take_connection())
		connections += 1
	if _peer == null:
		return
	_peer.poll()
	while _peer != null and _peer.get_available_packet_count() > 0:
		var message: Dictionary = JSON.parse_string(_peer.get_packet().get_string_from_utf8())
		_take(message)


func _take(message: Dictionary) -> void:
	if message["type"] == "ping":
		send({"type": "pong", "nonce": message["nonce"], "server_time": 0})
		return
	messages.append(message)
	match str(message["type"]):
		"hello":
			if greets:
				greet(str(message["session_id"]))
		"agent_turn_result", "tool_results":
			if stores:
				var id: String = message["message_id"]
				send({"type": "stored", "in_reply_to": id, "turn_id": message["turn_id"]})


func greet(session_id: String) -> void:
	send(
		{
			"type": "welcome",
			"protocol": "1",
			"server": "fake",
			"session_id": session_id,
			"limits": LIMITS
		}
	)
