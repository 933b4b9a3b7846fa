@tool
@icon("icons/tag.svg")
class_name DramatisTagDefinition
extends Resource
## A tag that a character may use: something to say, to do, or to ask of the game.
## [code]protocol/README.md[/code] says what each field means to the model.

enum Kind {
	SPEECH,  ## Said aloud.
	ACTION,  ## Done or shown.
	TOOL,  ## The game answers: see [method DramatisAgent.register_tool].
	HIDDEN,  ## Thoughts; never sent to the game.
}

static var _name_pattern := RegEx.create_from_string("^[A-Za-z_][A-Za-z0-9_.:-]*$")

## A letter or [code]_[/code], then letters, digits and [code]_ . : -[/code].
@export var name := ""
## When to use it, for the model.
@export_multiline var description := ""
@export var kind := Kind.ACTION
## Whether it holds text; without, it opens and closes at once.
@export var has_text := true
@export var attributes: Array[DramatisAttributeDefinition] = []
## A newer event lets it end first, for two seconds at the most.
@export var must_finish := false


## The tags of a character that brings none: speech, actions, emotions and thoughts.
static func defaults() -> Array[DramatisTagDefinition]:
	var emotion := _simple("emotion", Kind.ACTION, "What your face shows.", true)
	emotion.has_text = false
	return [
		_simple("speech", Kind.SPEECH, "What you say aloud."),
		_simple("action", Kind.ACTION, "What you do.", true),
		emotion,
		_simple("think", Kind.HIDDEN, "What you think; nobody hears it."),
	]


func is_name_valid() -> bool:
	return _name_pattern.search(name) != null


## The definition as the server reads it.
func to_message() -> Dictionary:
	var message := {"name": name, "kind": str(Kind.find_key(kind)).to_lower()}
	if not description.is_empty():
		message["description"] = description
	if not has_text:
		message["content"] = "none"
	if not attributes.is_empty():
		message["attributes"] = attributes.map(_attribute_message)
	if must_finish:
		message["interruptible"] = false
	return message


func _attribute_message(attribute: DramatisAttributeDefinition) -> Dictionary:
	return attribute.to_message()


static func _simple(
	tag_name: String, tag_kind: Kind, what_for: String, is_named := false
) -> DramatisTagDefinition:
	var definition := DramatisTagDefinition.new()
	definition.name = tag_name
	definition.kind = tag_kind
	definition.description = what_for
	if is_named:
		var attribute := DramatisAttributeDefinition.new()
		attribute.name = "name"
		definition.attributes.append(attribute)
	return definition
