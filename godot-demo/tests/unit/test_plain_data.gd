extends "../unit_test.gd"
## Whatever a game gives becomes JSON.

const Data := preload("res://addons/dramatis/plain_data.gd")


func test_plain_values_stay() -> void:
	for value: Variant in [null, true, 7, 1.5, "text", [1, "a"], {"a": {"b": []}}]:
		equal(Data.of(value), value)


func test_other_values_become_text() -> void:
	equal(Data.of(Vector2(1, 2)), "(1.0, 2.0)")
	equal(Data.of(&"name"), "name")
	equal(Data.of(^"A/B"), "A/B")
	equal(Data.of({Vector2i(1, 2): &"x", 3: [Vector2i.ZERO]}), {"(1, 2)": "x", "3": ["(0, 0)"]})


func test_packed_lists_become_lists() -> void:
	equal(Data.of(PackedStringArray(["a", "b"])), ["a", "b"])
	equal(Data.of(PackedInt32Array([1, 2])), [1, 2])
	equal(Data.of(PackedVector2Array([Vector2.ZERO])), ["(0.0, 0.0)"])


func test_numbers_without_a_word_in_json_become_nothing() -> void:
	equal(Data.of([INF, -INF, NAN]), [null, null, null])


func test_what_holds_itself_has_an_end() -> void:
	var odd := {}
	odd["all"] = [odd]
	var text := JSON.stringify(Data.of(odd))
	check(text.count("[") + text.count("{") < 64, "the server reads it")
	odd.clear()


func test_what_comes_out_is_json() -> void:
	var odd := {"at": Vector3.ONE, "who": self, "list": PackedByteArray([1]), 1: INF}
	var read: Dictionary = JSON.parse_string(JSON.stringify(Data.of(odd)))
	equal(read["at"], "(1.0, 1.0, 1.0)")
	equal(read["1"], null)
	equal(read["list"], [1.0])
