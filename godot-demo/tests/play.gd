extends SceneTree
## Plays one scene of the end-to-end tests, which are in Python beside the server's:
## [code]godot4 --headless -s res://tests/play.gd -- --scene=turn --url=WS_ADDRESS[/code]

var _options: Dictionary[String, String] = {}


func _init() -> void:
	for argument in OS.get_cmdline_user_args():
		var parts := argument.trim_prefix("--").split("=", true, 1)
		_options[parts[0]] = parts[1] if parts.size() > 1 else ""
	# The autoload begins after this and finds what a game would have in its settings.
	ProjectSettings.set_setting("dramatis/server/url", _options.get("url", ""))
	ProjectSettings.set_setting("dramatis/server/token", _options.get("token", ""))
	ProjectSettings.set_setting("application/config/name", "Northkeep")


func _initialize() -> void:
	var script: GDScript = load("res://tests/scenes/%s.gd" % _options["scene"])
	if script == null or not script.can_instantiate():
		quit(1)
		return
	# A type of its own would be read before there is an autoload.
	var trial: Node = script.new()
	trial.set(&"options", _options)
	root.add_child(trial)
