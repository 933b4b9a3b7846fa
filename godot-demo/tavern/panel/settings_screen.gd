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
