extends SceneTree
## Loads every script, scene and resource of the project, and sees that the project lets no warning
## of GDScript pass. A fault in a file would else show only when a game comes to it.

const WARNINGS := "debug/gdscript/warnings/"

## What stays allowed: a type that the compiler infers, a result that nobody needs, a coroutine that
## goes on by itself.
const ALLOWED: Array[String] = ["inferred_declaration", "return_value_discarded", "missing_await"]

var _loaded := 0
var _faults := 0


func _initialize() -> void:
	await process_frame
	_check_warnings()
	_load_folder("res://")
	print("%d files loaded, %d faults" % [_loaded, _faults])
	quit(0 if _faults == 0 else 1)


func _check_warnings() -> void:
	for property in ProjectSettings.get_property_list():
		var setting: String = property["name"]
		var warning := setting.trim_prefix(WARNINGS)
		var is_level: bool = setting.begins_with(WARNINGS) and property["type"] == TYPE_INT
		if is_level and warning not in ALLOWED and ProjectSettings.get_setting(setting) != 2:
			_fault("project.godot", "the warning %s is no error" % warning)


func _load_folder(folder: String) -> void:
	for file in DirAccess.get_files_at(folder):
		_load_file(folder.path_join(file))
	for inner in DirAccess.get_directories_at(folder):
		var path := folder.path_join(inner)
		if not inner.begins_with(".") and not FileAccess.file_exists(path.path_join(".gdignore")):
			_load_folder(path)


func _load_file(path: String) -> void:
	if path.get_extension() not in ["gd", "tscn", "tres", "gdshader", "svg"]:
		return
	_loaded += 1
	var resource := load(path)
	if resource == null:
		_fault(path, "it can't be loaded")
	elif resource is GDScript and not (resource as GDScript).can_instantiate():
		_fault(path, "it can't be instantiated")
	elif resource is PackedScene:
		var scene := (resource as PackedScene).instantiate()
		if scene == null:
			_fault(path, "it can't be instantiated")
		else:
			scene.free()


func _fault(path: String, what: String) -> void:
	_faults += 1
	printerr("FAULT %s: %s" % [path, what])
