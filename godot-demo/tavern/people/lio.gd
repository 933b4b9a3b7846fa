class_name Lio
extends Character
## Sings and plays; it takes a while, and can be broken off.

const SONG_SECONDS := 6.0

@onready var _notes: CPUParticles2D = $Notes


func _act(deed: String, tag: DramatisTag) -> String:
	if deed != "play_song":
		return await super(deed, tag)
	caption.tell("plays a %s song" % str(tag.attributes.get("mood", "merry")))
	gesture("strum", SONG_SECONDS)
	_notes.emitting = true
	await _seconds(SONG_SECONDS)
	_notes.emitting = false
	return ""


func _on_deed_cut(tag: DramatisTag) -> void:
	super(tag)
	if _notes.emitting:
		_notes.emitting = false
		gesture("shrug")
		caption.tell("breaks off")
