extends SceneTree
## Runs the unit tests: every method [code]test_*[/code] of every [code]tests/unit/test_*.gd[/code].
## [code]godot4 --headless -s res://tests/run.gd -- NAME[/code] runs those with that in their names.
## A script error only ends the method that it is in: whoever runs this looks for them too.

const UnitTest := preload("unit_test.gd")
const FOLDER := "res://tests/unit"

## Of one test. It is a fault to wait for longer.
const LIMIT_MS := 10_000

var _passed := 0
var _failed := 0
var _wanted := ""


func _init() -> void:
	ProjectSettings.set_setting("dramatis/server/connect_on_start", false)
	var arguments := OS.get_cmdline_user_args()
	_wanted = arguments[0] if not arguments.is_empty() else ""


func _initialize() -> void:
	await process_frame
	var client := root.get_node_or_null(^"DramatisClient")
	if client == null or client.get_script() == null:
		printerr("FAILED: there is no DramatisClient; see what its script complains of")
		quit(1)
		return
	for file in DirAccess.get_files_at(FOLDER):
		if file.begins_with("test_") and file.ends_with(".gd"):
			await _run_file(file)
	print("%d passed, %d failed" % [_passed, _failed])
	var ran_any := _passed + _failed > 0
	quit(0 if _failed == 0 and ran_any else 1)


func _run_file(file: String) -> void:
	var script: GDScript = load(FOLDER.path_join(file))
	if script == null or not script.can_instantiate():
		_failed += 1
		printerr("FAILED %s: the file can't be read" % file)
		return
	for method in script.get_script_method_list():
		var method_name: String = method["name"]
		var full_name := "%s %s" % [file.get_basename(), method_name]
		if method_name.begins_with("test_") and (_wanted.is_empty() or full_name.contains(_wanted)):
			await _run_test(script, method_name, full_name)


func _run_test(script: GDScript, method: String, full_name: String) -> void:
	var test: UnitTest = script.new()
	test.name = "Test"
	root.add_child(test)
	_play(test, method)
	var deadline := Time.get_ticks_msec() + LIMIT_MS
	while not test.is_over and Time.get_ticks_msec() < deadline:
		await process_frame
	if not test.is_over:
		test.failures.append("it did not end within %d s" % (LIMIT_MS / 1000.0))
	elif test.checks == 0:
		test.failures.append("it checked nothing")
	if test.failures.is_empty():
		_passed += 1
	else:
		_failed += 1
		printerr("FAILED %s" % full_name)
		for failure in test.failures:
			printerr("    %s" % failure)
	root.remove_child(test)
	test.free()


func _play(test: UnitTest, method: String) -> void:
	await test.call(&"before")
	await test.call(method)
	await test.call(&"after")
	test.is_over = true
