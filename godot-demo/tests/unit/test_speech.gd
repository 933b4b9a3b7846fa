extends "../unit_test.gd"
## How speech is typed into a label, and what is told of it. Time is handed in, so that none passes.

## A fraction without a remainder, so that sums are exact.
const FRAME := 1.0 / 64.0

var agent: DramatisAgent
var label: RichTextLabel
var speech: DramatisSpeech
var begun: Array[DramatisTag] = []
var over: Array[DramatisTag] = []


func before() -> void:
	agent = DramatisAgent.new()
	label = RichTextLabel.new()
	add_child(label)
	_present(label)


func after() -> void:
	agent.free()


func test_a_speech_is_typed_at_its_pace() -> void:
	var tag := _say("abcdefghij")
	check(tag.is_held(), "the turn waits for it")
	_pass(0.5)
	equal([tag.presented_chars, label.visible_characters], [5, 5])
	equal(begun, [tag] as Array[DramatisTag])
	_pass(0.3)
	equal([tag.presented_chars, label.visible_characters], [8, 8])
	equal(label.get_parsed_text(), "abcdefghij")


func test_a_speech_is_over_when_all_of_it_was_shown_and_nothing_follows() -> void:
	var tag := _say("abc", false)
	_pass(2.0)
	equal([tag.presented_chars, tag.is_held()], [3, true])
	tag.closed = true
	_pass(0.1)
	equal([tag.outcome, tag.is_held()], ["done", false])
	equal(over, [tag] as Array[DramatisTag])
	check(not speech.is_busy(), "nothing is left to show")


func test_it_types_on_when_more_arrives_and_does_not_hurry() -> void:
	var tag := _say("abc", false)
	_pass(5.0)
	tag.text += "defghij"
	_pass(0.2)
	equal(tag.presented_chars, 5)


func test_a_long_frame_shows_what_it_is_worth() -> void:
	var tag := _say("abcdefghij", false)
	_pass(0.1)
	speech._process(0.6)
	equal(tag.presented_chars, 7)


func test_it_rests_where_a_sentence_or_a_clause_ends() -> void:
	var plain := _shown_after(1.2, "ab cdefghijklmnop")
	var clause := _shown_after(1.2, "ab, defghijklmnop")
	var sentence := _shown_after(1.2, "ab. defghijklmnop")
	equal([plain, clause, sentence], [12, 9, 4])


func test_a_speech_stays_and_then_goes() -> void:
	_say("abc")
	_pass(0.4)
	_pass(0.8)
	equal(label.get_parsed_text(), "abc")
	_pass(0.3)
	equal(label.get_parsed_text(), "")


func test_speeches_follow_each_other() -> void:
	var first := _say("abc")
	var second := _say("defgh")
	_pass(0.4)
	equal([first.outcome, second.presented_chars, second.is_held()], ["done", 0, true])
	equal(begun.size(), 1)
	_pass(1.1)
	equal(begun, [first, second] as Array[DramatisTag])
	_pass(0.5)
	equal([second.outcome, label.get_parsed_text()], ["done", "defgh"])


func test_what_is_cut_stays_where_it_stands() -> void:
	var tag := _say("abcdefghij")
	_pass(0.4)
	tag.cut_short()
	equal([tag.outcome, tag.presented_chars, tag.is_held()], ["partial", 4, false])
	equal(over, [tag] as Array[DramatisTag])
	_pass(0.5)
	equal([tag.presented_chars, label.visible_characters], [4, 4])
	_pass(0.6)
	equal(label.get_parsed_text(), "")


func test_what_is_cut_before_its_turn_was_never_seen() -> void:
	var first := _say("abcdef")
	var second := _say("ghi")
	_pass(0.2)
	second.cut_short()
	equal([second.outcome, second.presented_chars], ["partial", 0])
	equal(begun, [first] as Array[DramatisTag])
	equal(over, [second] as Array[DramatisTag])
	_pass(2.0)
	equal([first.outcome, begun.size()], ["done", 1])


func test_after_a_cut_the_next_speech_begins() -> void:
	var first := _say("abcdefghij")
	_pass(0.3)
	first.cut_short()
	var second := _say("xyz")
	_pass(0.4)
	equal([begun.back(), label.get_parsed_text()], [first, "abcdefghij"])
	_pass(0.2)
	equal([begun.back(), label.get_parsed_text()], [second, "xyz"])


func test_skipping_shows_what_has_arrived() -> void:
	var tag := _say("abcdefghij")
	_pass(0.1)
	speech.skip()
	equal([tag.presented_chars, label.visible_characters], [10, 10])
	var next := _say("def")
	_pass(0.1)
	equal(tag.outcome, "done")
	speech.skip()
	_pass(0.1)
	equal(begun, [tag, next] as Array[DramatisTag], "and ends the stay of what was shown")


func test_what_a_model_writes_is_no_markup() -> void:
	var tag := _say("[b]a[/b]\n[i]c")
	_pass(2.0)
	equal([label.get_parsed_text(), tag.presented_chars], ["[b]a[/b]\n[i]c", 13])


func test_characters_are_code_points() -> void:
	var tag := _say("Grüße 🐺!")
	_pass(0.7)
	equal([tag.presented_chars, label.visible_characters], [7, 7])


func test_only_speech_is_shown() -> void:
	var tag := _tag("action")
	tag.text = "nods"
	agent.tag_opened.emit(tag)
	_pass(1.0)
	equal([tag.is_held(), tag.presented_chars, label.get_parsed_text()], [false, -1, ""])


func test_an_empty_speech_is_over_at_once() -> void:
	var empty := _say("")
	var next := _say("abc")
	_pass(0.2)
	equal([empty.outcome, next.presented_chars > 0], ["done", true])


func test_who_leaves_holds_nothing_back() -> void:
	var first := _say("abcdefghij")
	var second := _say("abc")
	_pass(0.3)
	remove_child(speech)
	equal([first.outcome, first.presented_chars], ["partial", 3])
	equal([second.outcome, second.presented_chars], ["partial", 0])
	add_child(speech)


func test_a_plain_label_will_do() -> void:
	var plain := Label.new()
	add_child(plain)
	speech.free()
	_present(plain)
	_say("abcdefghij")
	_pass(0.4)
	equal([plain.text, plain.visible_characters], ["abcdefghij", 4])


func test_a_label_that_is_gone_is_no_fault() -> void:
	var tag := _say("abcdefghij")
	_pass(0.2)
	label.free()
	_pass(2.0)
	equal([tag.outcome, tag.presented_chars], ["done", 10])


func _present(on: Control) -> void:
	speech = DramatisSpeech.new()
	speech.agent = agent
	speech.label = on
	speech.characters_per_second = 10.0
	speech.linger = 1.0
	speech.started.connect(begun.append)
	speech.finished.connect(over.append)
	add_child(speech)
	speech.set_process(false)


func _tag(kind: String) -> DramatisTag:
	return DramatisTag.new({"tag_id": 0.0, "tag": kind, "kind": kind})


func _say(text: String, closed := true) -> DramatisTag:
	var tag := _tag("speech")
	agent.tag_opened.emit(tag)
	tag.text = text
	tag.closed = closed
	return tag


## Lets time go by, a frame of it at a time.
func _pass(seconds: float) -> void:
	# The first frame only begins what waits.
	speech._process(0.0)
	for frame in ceili(seconds / FRAME):
		speech._process(FRAME)


## How much of a text is shown after so many seconds.
func _shown_after(seconds: float, text: String) -> int:
	var tag := _say(text)
	_pass(seconds)
	tag.cut_short()
	_pass(1.1)
	return tag.presented_chars
