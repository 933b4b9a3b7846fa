extends RefCounted
## The WebSocket to a server. Opens it, reads and writes messages, and opens it again after a while
## when it breaks. Of the messages it knows only that they are JSON objects.

## A WebSocket is open; nothing has been said yet.
signal opened
## A message has come.
signal received(message: Dictionary)
## The WebSocket is closed, or could not be opened. [param again_in] is the time until the next
## attempt in seconds, or -1: there is none.
signal closed(code: int, reason: String, again_in: float)

enum State { OFF, OPENING, OPEN, WAITING }

const Data := preload("plain_data.gd")

## The closing codes after which another attempt would fail again, or take the session back from
## whoever has taken it over.
const FINAL_CODES: Array[int] = [4001, 4009]

## The engine doesn't tell a server that is away from one that is no dramatis server.
const UNREACHABLE := "the server can't be reached: does it run, and does the address end in /ws?"

## What an attempt waits for the one before, in seconds: doubled each time, up to the longest.
const FIRST_WAIT := 0.5
const LONGEST_WAIT := 15.0

## How long a handshake may take. The engine sets no limit itself.
const HANDSHAKE_MS := 10_000

## Everything that the system holds back while the game stalls must find room at the first poll
## after it: the engine closes the connection otherwise.
const INBOUND_BYTES := 8 << 20
const OUTBOUND_BYTES := 4 << 20
const MAX_QUEUED_PACKETS := 1 << 16

var state := State.OFF

var _peer: WebSocketPeer
var _url := ""
var _attempt := 0
## When the handshake is given up, or the next attempt is made.
var _deadline_ms := 0
## A reason of our own for closing, told instead of what the socket says.
var _lost_because := ""


## The wait before the attempt of that number, from 1, in seconds. [param chance] from 0 to 1
## spreads the games that lost the same server: they don't all come back at once.
static func back_off(attempt: int, chance: float) -> float:
	var wait := minf(LONGEST_WAIT, FIRST_WAIT * pow(2.0, mini(attempt, 16) - 1))
	return wait * (0.75 + 0.5 * chance)


## Opens a WebSocket to this address, and goes on trying until [method close].
func open(url: String, now_ms: int) -> void:
	close()
	_url = url
	_attempt = 0
	_try(now_ms)


## Closes the WebSocket and stays away. Does not emit [signal closed]. Of the protocol's codes a
## browser takes 1000 alone.
func close(code := 1000, reason := "") -> void:
	if _peer != null:
		_peer.close(code, reason)
		# The frame leaves with a poll; the answer to it is of no interest.
		_peer.poll()
		_peer = null
	state = State.OFF


## Gives up a WebSocket on which nothing is heard, and tries again.
func lose(reason: String) -> void:
	if _peer != null:
		_lost_because = reason
		_peer.close(-1)


## The server has let us in: the next loss begins with a short wait again.
func succeed() -> void:
	_attempt = 0


## Whether something can be sent: it may have broken since the last poll.
func is_open() -> bool:
	return state == State.OPEN and _peer.get_ready_state() == WebSocketPeer.STATE_OPEN


## Sends a message. [code]false[/code]: there is no WebSocket, or its buffer is full.
func send(text: String) -> bool:
	return is_open() and _peer.send_text(text) == OK


## Moves everything on. To be called each frame.
func poll(now_ms: int) -> void:
	match state:
		State.WAITING:
			if now_ms >= _deadline_ms:
				_try(now_ms)
		State.OPENING, State.OPEN:
			_poll_peer(now_ms)


func _try(now_ms: int) -> void:
	_attempt += 1
	_lost_because = ""
	_peer = WebSocketPeer.new()
	_peer.inbound_buffer_size = INBOUND_BYTES
	_peer.outbound_buffer_size = OUTBOUND_BYTES
	_peer.max_queued_packets = MAX_QUEUED_PACKETS
	_deadline_ms = now_ms + HANDSHAKE_MS
	state = State.OPENING
	var problem := _peer.connect_to_url(_url)
	if problem != OK:
		_peer = null
		state = State.OFF
		var message := "“%s” is no address of a server (%s)" % [_url, error_string(problem)]
		closed.emit(-1, message, -1.0)


func _poll_peer(now_ms: int) -> void:
	var peer := _peer
	peer.poll()
	if state == State.OPENING and peer.get_ready_state() == WebSocketPeer.STATE_OPEN:
		state = State.OPEN
		if not OS.has_feature("web"):
			# A browser does as it likes, and the engine complains.
			peer.set_no_delay(true)
		opened.emit()
	# A listener may have closed it, or opened another.
	while _peer == peer and peer.get_available_packet_count() > 0:
		_read(peer.get_packet())
	if _peer != peer:
		return
	if peer.get_ready_state() == WebSocketPeer.STATE_CLOSED:
		_closed(now_ms)
	elif state == State.OPENING and now_ms >= _deadline_ms:
		lose("the server did not answer in time")


func _read(packet: PackedByteArray) -> void:
	var message: Variant = JSON.parse_string(packet.get_string_from_utf8())
	if message is Dictionary:
		received.emit(message)


func _closed(now_ms: int) -> void:
	var code := _peer.get_close_code()
	var reason := _peer.get_close_reason()
	if not _lost_because.is_empty():
		code = -1
		reason = _lost_because
	elif reason.is_empty():
		reason = UNREACHABLE if state == State.OPENING else "the connection broke"
	_peer = null
	if code in FINAL_CODES:
		state = State.OFF
		closed.emit(code, reason, -1.0)
		return
	var wait := back_off(_attempt, randf())
	_deadline_ms = now_ms + int(wait * 1000.0)
	state = State.WAITING
	closed.emit(code, reason, wait)
