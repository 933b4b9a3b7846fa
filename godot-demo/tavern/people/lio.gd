class_name Lio
extends Character
## Sings and plays; it takes a while, and can be broken off.

const SONG_SECONDS := 6.0

@onready var _notes: CPUParticles2D = $Notes


func _begin_deed(deed: String, tag: DramatisTag) -> void:
	if deed != "play_song":
		super(deed, tag)
		return
	caption.tell("plays a %s song" % str(tag.attributes.get("mood", "merry")))
	gesture("strum", SONG_SECONDS)
	_notes.emitting = true
	_end_deed_after(SONG_SECONDS)


func _end_deed(problem := "") -> void:
	_notes.emitting = false
	super(problem)


func _on_deed_cut(tag: DramatisTag) -> void:
	super(tag)
	if _notes.emitting:
		_notes.emitting = false
		gesture("shrug")
		caption.tell("breaks off")
