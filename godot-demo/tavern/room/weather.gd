class_name Weather
extends Node
## What happens outside: rain, lightning, the lantern on the landing and the boat. All windows show
## the same night.

## The boat has come to the landing.
signal boat_landed

const LIGHTNING_PAUSE := Vector2(6.0, 14.0)
const BOAT_SECONDS := 14.0

## What the windows are painted with.
@export var night: ShaderMaterial
## Rain that is seen through the open door.
@export var doorway_rain: CPUParticles2D

var is_raining := false
var lantern_burns := false

var _lightning_in := 8.0
## What is on its way to another value, by its name.
var _changes: Dictionary[String, Tween] = {}
var _chance := RandomNumberGenerator.new()


func _ready() -> void:
	_chance.seed = 7
	set_to(false, false, 0.0)


## How it is at once, without the way there: at the beginning, and after loading. A boat that is on
## its way goes on.
func set_to(rains: bool, lantern: bool, crossed: float) -> void:
	is_raining = rains
	lantern_burns = lantern
	doorway_rain.emitting = rains
	for change: Tween in _changes.values():
		change.kill()
	night.set_shader_parameter("flash", 0.0)
	night.set_shader_parameter("rain", 1.0 if rains else 0.0)
	night.set_shader_parameter("lantern", 1.0 if lantern else 0.0)
	night.set_shader_parameter("boat", crossed)
	if lantern and crossed < 1.0:
		_sail()


## How far the boat has come, from 0 to 1.
func boat() -> float:
	var way: float = night.get_shader_parameter("boat")
	return way


func let_it_rain() -> void:
	is_raining = true
	doorway_rain.emitting = true
	_turn("rain", 1.0, 4.0)


func light_lantern() -> void:
	lantern_burns = true
	_turn("lantern", 1.0, 1.2)
	_sail()


func _process(delta: float) -> void:
	if not is_raining:
		return
	_lightning_in -= delta
	if _lightning_in < 0.0:
		_lightning_in = _chance.randf_range(LIGHTNING_PAUSE.x, LIGHTNING_PAUSE.y)
		night.set_shader_parameter("flash", 1.0)
		_turn("flash", 0.0, 0.7)


func _sail() -> void:
	var crossing := _turn("boat", 1.0, BOAT_SECONDS * (1.0 - boat()))
	crossing.finished.connect(boat_landed.emit)


func _turn(what: String, to: float, seconds: float) -> Tween:
	var from: float = night.get_shader_parameter(what)
	var paint := func(value: float) -> void: night.set_shader_parameter(what, value)
	var tween := create_tween()
	_changes[what] = tween
	tween.tween_method(paint, from, to, seconds)
	return tween
