class_name Notice
extends PanelContainer
## Tells when the server is away, what to do about it, and when it is tried again; also what the
## server complains about.

const ERROR_SECONDS := 6.0

var _again_at_ms := 0
var _complaint := ""
var _complaint_left := 0.0

@onready var _text: Label = $Text


func _ready() -> void:
	DramatisClient.connected.connect(_on_connected)
	DramatisClient.reconnecting.connect(_on_reconnecting)
	DramatisClient.failed.connect(_on_failed)
	DramatisClient.disconnected.connect(_on_disconnected)


func _process(delta: float) -> void:
	_complaint_left -= delta
	var text := _news()
	visible = not text.is_empty()
	_text.text = text


func _news() -> String:
	match DramatisClient.state:
		DramatisClient.State.ONLINE:
			return _complaint if _complaint_left > 0.0 else ""
		DramatisClient.State.CONNECTING:
			return "Connecting to %s …" % DramatisClient.url
		DramatisClient.State.OFFLINE:
			return "%s\nEsc opens the settings of the server." % _complaint
	var seconds := ceili(maxf(0.0, _again_at_ms - Time.get_ticks_msec()) / 1000.0)
	return (
		"The server at %s is away; start it with: dramatis serve\nNext attempt in %d s. The tavern waits."
		% [DramatisClient.url, seconds]
	)


## What was wrong on the way is over.
func _on_connected(_session_id: String) -> void:
	_complaint_left = 0.0


func _on_reconnecting(seconds: float) -> void:
	_again_at_ms = Time.get_ticks_msec() + int(seconds * 1000.0)


func _on_failed(error: Dictionary) -> void:
	_complain(str(error.get("message", "something failed")))


func _on_disconnected(_code: int, reason: String) -> void:
	if _complaint_left <= 0.0 and not reason.is_empty():
		_complain(reason)


func _complain(text: String) -> void:
	_complaint = text.left(1).to_upper() + text.substr(1)
	_complaint_left = ERROR_SECONDS
