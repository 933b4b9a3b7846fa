extends RefCounted
## Any value of a game as plain data that JSON can hold.

## What lies deeper is left out: the server reads no message that is nested deeper than 64, and what
## holds itself has no end.
const DEEPEST := 48


## Dictionaries, lists, texts, numbers and truth values stay what they are. Numbers that JSON has no
## word for become [code]null[/code], and everything else the text that [method @GlobalScope.str]
## gives.
static func of(value: Variant, depth := 0) -> Variant:
	if depth > DEEPEST:
		return null
	match typeof(value):
		TYPE_NIL, TYPE_BOOL, TYPE_INT, TYPE_STRING:
			return value
		TYPE_FLOAT:
			var number: float = value
			if not is_finite(number):
				return null
			return number
		TYPE_DICTIONARY:
			var plain := {}
			var dictionary: Dictionary = value
			for key: Variant in dictionary:
				plain[str(key)] = of(dictionary[key], depth + 1)
			return plain
		TYPE_ARRAY:
			var items: Array = value
			return items.map(of.bind(depth + 1))
	if typeof(value) >= TYPE_PACKED_BYTE_ARRAY:
		var items: Array = type_convert(value, TYPE_ARRAY)
		return of(items, depth)
	return str(value)
