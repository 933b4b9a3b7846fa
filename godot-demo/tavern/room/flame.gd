class_name Flame
extends PointLight2D
## A light that flickers: the fire, a lamp, a candle.

## How much of its brightness comes and goes.
@export var flicker := 0.1
@export var speed := 1.0

var _brightness := 0.0
var _time := 0.0


func _ready() -> void:
	_brightness = energy
	_time = position.x


func _process(delta: float) -> void:
	_time += delta * speed
	var wave := sin(_time * 7.1) * 0.5 + sin(_time * 12.7 + 1.3) * 0.3 + sin(_time * 3.3) * 0.2
	energy = _brightness * (1.0 + flicker * wave)
