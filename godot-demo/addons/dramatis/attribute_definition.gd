@icon("icons/tag.svg")
class_name DramatisAttributeDefinition
extends Resource
## An attribute of a tag. Values are sent as texts, whatever their type.

enum Type { STRING, INTEGER, NUMBER, BOOLEAN }

@export var name := ""
## For the model.
@export var description := ""
@export var type := Type.STRING
## The values that it may have; empty: any.
@export var values: PackedStringArray = []
## Whether the model must give it.
@export var required := false


## The definition as the server reads it.
func to_message() -> Dictionary:
	var message := {"name": name}
	if not description.is_empty():
		message["description"] = description
	if type != Type.STRING:
		message["type"] = str(Type.find_key(type)).to_lower()
	if not values.is_empty():
		message["values"] = Array(values)
	if required:
		message["required"] = true
	return message
