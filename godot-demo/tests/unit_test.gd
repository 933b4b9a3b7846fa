extends Node
## What unit tests are made of. A test is a node in the tree: it may [code]await[/code] frames and
## signals, and adds what it needs as its children.

## What was not as it should be, each with its place.
var failures: PackedStringArray = []
## How many things were looked at.
var checks := 0
var is_over := false


## Runs before each test.
func before() -> void:
	pass


## Runs after each test.
func after() -> void:
	pass


## Something must be so.
func check(is_so: bool, what: String) -> void:
	checks += 1
	if not is_so:
		_fail(what)


## Two values must be alike, types and all. Dictionaries may differ in the order of their keys.
func equal(got: Variant, wanted: Variant, what := "") -> void:
	checks += 1
	var alike: bool = typeof(got) == typeof(wanted) and got == wanted
	if not alike:
		_fail("%s: got %s, wanted %s" % [what, var_to_str(got), var_to_str(wanted)])


## Waits until something is so; that it never is, is a failure.
func until(is_so: Callable, what: String, seconds := 4.0) -> bool:
	var deadline := Time.get_ticks_msec() + int(seconds * 1000.0)
	while not is_so.call():
		if Time.get_ticks_msec() > deadline:
			check(false, "waited in vain for %s" % what)
			return false
		await get_tree().process_frame
	checks += 1
	return true


## The engine is going to complain with these words, and shall. Whoever runs the tests looks for it.
func expects_complaint(words: String) -> void:
	printerr("EXPECTS %s" % words)


func frames(count: int) -> void:
	for number in count:
		await get_tree().process_frame


func _fail(what: String) -> void:
	failures.append("%s: %s" % [_place(), what])


## The line of the test that is running. Older engines don't tell it.
func _place() -> String:
	for frame: Dictionary in get_stack():
		var source: String = frame["source"]
		if source.contains("/unit/"):
			return "%s:%d" % [source.trim_prefix("res://"), frame["line"]]
	var script: Script = get_script()
	return script.resource_path.trim_prefix("res://")
