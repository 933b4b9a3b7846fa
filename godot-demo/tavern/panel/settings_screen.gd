class_name SettingsScreen
extends ColorRect
## Where the server is and what it asks for.

@onready var _url: LineEdit = %Url
@onready var _token: LineEdit = %Token
@onready var _problem: Label = %Problem


func _ready() -> void:
	(%Connect as Button).pressed.connect(_connect)
	(%Back as Button).pressed.connect(hide)
	_url.text_submitted.connect(func(_text: String) -> void: _connect())
	_token.text_submitted.connect(func(_text: String) -> void: _connect())


## Before the fields get the key: the one that is being edited would keep it.
func _input(event: InputEvent) -> void:
	if visible and event.is_action_pressed("open_settings"):
		hide()
		get_viewport().set_input_as_handled()


func open() -> void:
	_url.text = DramatisClient.url
	_token.text = DramatisClient.token
	_problem.text = ""
	show()
	_url.edit()


func _connect() -> void:
	var url := _url.text.strip_edges()
	if not (url.begins_with("ws://") or url.begins_with("wss://")):
		_problem.text = "The address begins with ws:// or wss://"
		return
	hide()
	ServerSettings.save(url, _token.text.strip_edges())
