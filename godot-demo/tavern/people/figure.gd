class_name Figure
extends Node2D
## A person of the tavern, drawn: walks, gestures, looks in a direction, shows a feeling. Its origin
## is on the floor between the feet. It knows nothing of who moves it.

## It has come to the end of its way, or, if not `reached`, was stopped on it.
signal arrived(reached: bool)

enum Hair { HOOD, BUN, GREY_BEARD, LOCKS }
enum Thing { NONE, APRON, STAFF, LUTE, SATCHEL }

## Everybody who takes up room is in it.
const GROUP := &"figures"
const SPEED := 170.0
const SKIN_SHADE := 0.12
const GESTURE_SECONDS := 1.5
## Where the hands are, left and right, while the body looks to the right.
const POSES: Dictionary[String, Array] = {
	"rest": [Vector2(-24, -56), Vector2(24, -56)],
	"wave": [Vector2(-24, -56), Vector2(40, -132)],
	"bow": [Vector2(4, -70), Vector2(28, -52)],
	"shrug": [Vector2(-42, -86), Vector2(42, -86)],
	"laugh": [Vector2(-12, -66), Vector2(14, -66)],
	"think": [Vector2(-4, -64), Vector2(12, -104)],
	"point": [Vector2(-24, -56), Vector2(52, -92)],
	"reach": [Vector2(36, -72), Vector2(44, -76)],
	"bar_the_way": [Vector2(-50, -84), Vector2(50, -84)],
	"play": [Vector2(30, -84), Vector2(4, -68)],
	"raise": [Vector2(-24, -56), Vector2(30, -138)],
}
## The pose of each gesture that has one.
const GESTURES: Dictionary[String, String] = {
	"wave": "wave",
	"bow": "bow",
	"shrug": "shrug",
	"laugh": "laugh",
	"think": "think",
	"lean": "think",
	"point": "point",
	"look": "raise",
	"strum": "play",
	"hand_over": "reach",
	"open_letter": "reach",
	"pour_ale": "reach",
	"step_back": "shrug",
	"bar_the_way": "bar_the_way",
}

@export var robe := Color("4f6f8f")
@export var trim := Color("d8b36a")
@export var skin := Color("e8b890")
@export var hair_color := Color("5b3a24")
@export var hair := Hair.HOOD
@export var thing := Thing.NONE
## How wide the body is.
@export var girth := 1.0
## 1: looks to the right; -1: to the left.
@export var facing := 1.0

## What the face shows.
var feeling := Face.CALM:
	set(value):
		feeling = value
		queue_redraw()
## The mouth moves.
var is_speaking := false

var _path: PackedVector2Array = []
var _pose := "rest"
var _pose_left := 0.0
var _nodding := false
var _shaking := false
var _hands: Array[Vector2] = [Vector2(-24, -56), Vector2(24, -56)]
var _time := 0.0
var _stride := 0.0


func _ready() -> void:
	add_to_group(GROUP)
	_time = position.x


func _process(delta: float) -> void:
	_time += delta
	_walk_on(delta)
	_pose_left -= delta
	if _pose_left < 0.0:
		_pose = "rest"
		_nodding = false
		_shaking = false
	for hand in 2:
		var target: Vector2 = POSES[_pose][hand]
		if _pose == "wave" and hand == 1:
			target.x += sin(_time * 11.0) * 9.0
		elif _pose == "play" and hand == 1:
			target.y += sin(_time * 16.0) * 7.0
		_hands[hand] = _hands[hand].lerp(target, 1.0 - exp(-delta * 11.0))
	queue_redraw()


## Walks along these points; [signal arrived] tells when it has come to the end.
func walk(path: PackedVector2Array) -> void:
	stop()
	_path = path


func stop() -> void:
	if is_walking():
		_path = []
		arrived.emit(false)


func is_walking() -> bool:
	return not _path.is_empty()


## Where it will stand: the end of its way, or where it is.
func destination() -> Vector2:
	return _path[-1] if is_walking() else position


## Where it stands and which way it looks, as plain numbers for a save file.
func stance() -> Array[float]:
	return [position.x, position.y, facing]


## Stands at once as [method stance] once told.
func stand(at: Array) -> void:
	stop()
	position = Vector2(str(at[0]).to_float(), str(at[1]).to_float())
	facing = str(at[2]).to_float()


## One step in that direction, as keys ask for it.
func step(direction: Vector2, delta: float) -> void:
	stop()
	_move(direction.limit_length() * SPEED * delta)


## What a body does for a moment: one of [constant GESTURES], a nod, or a shake of the head.
func gesture(gesture_name: String, seconds := GESTURE_SECONDS) -> void:
	_nodding = gesture_name in ["nod", "laugh", "smile"]
	_shaking = gesture_name == "shake_head"
	_pose = GESTURES.get(gesture_name, "rest")
	_pose_left = seconds


func look_at_point(point: Vector2) -> void:
	if absf(point.x - position.x) > 4.0:
		facing = signf(point.x - position.x)


## Where a bubble's tail ends.
func mouth_point() -> Vector2:
	return position + Vector2(0, -152) * scale.y


## Where a bubble's tail ends that comes from the side.
func face_point() -> Vector2:
	return position + Vector2(0, -112) * scale.y


func _walk_on(delta: float) -> void:
	if _path.is_empty():
		_stride = move_toward(_stride, 0.0, delta * 8.0)
		return
	var way := _path[0] - position
	var step_length := SPEED * delta
	if way.length() > step_length:
		_move(way.normalized() * step_length)
		return
	_move(way)
	_path.remove_at(0)
	if _path.is_empty():
		arrived.emit(true)


func _move(by: Vector2) -> void:
	position += by
	_stride = 1.0
	if absf(by.x) > 0.2:
		facing = signf(by.x)


func _draw() -> void:
	draw_colored_polygon(
		Shapes.ellipse(Vector2(0, 1), Vector2(34, 9)), Color(0.05, 0.02, 0.04, 0.4)
	)
	var swing := sin(_time * 11.0) * _stride
	for side: float in [-1.0, 1.0]:
		var foot := Vector2(side * 9.0 + swing * side * 9.0, -maxf(0.0, swing * side) * 5.0)
		Shapes.limb(self, [Vector2(side * 8.0, -34), foot + Vector2(0, -6)], Color("3b2c2a"), 9.0)
		Shapes.limb(
			self, [foot + Vector2(0, -3), foot + Vector2(facing * 7.0, -3)], Color("2c2024"), 7.0
		)
	var bob := absf(sin(_time * 11.0)) * 3.0 * _stride + sin(_time * 1.8) * 0.8
	var bend := 0.22 * facing if _pose == "bow" else 0.0
	draw_set_transform(Vector2(0, -bob), bend)
	_draw_behind()
	_draw_arm(0)
	_draw_body()
	_draw_head(Vector2(facing * 2.0, -118))
	_draw_arm(1)
	_draw_thing()
	draw_set_transform(Vector2.ZERO)


func _draw_behind() -> void:
	if thing == Thing.STAFF:
		Shapes.limb(
			self, [Vector2(-facing * 34, 0), Vector2(-facing * 34, -158)], Color("7a5a3a"), 4.0
		)
		Shapes.fill(
			self,
			[
				Vector2(-facing * 34 - 7, -156),
				Vector2(-facing * 34, -184),
				Vector2(-facing * 34 + 7, -156)
			],
			Color("aeb4bd")
		)
	if hair == Hair.LOCKS:
		var locks: PackedVector2Array = [
			Vector2(-20, -128), Vector2(20, -128), Vector2(23, -94), Vector2(-23, -94)
		]
		Shapes.fill(self, Shapes.curve(locks), hair_color.darkened(0.15))


func _draw_body() -> void:
	var half := 25.0 * girth
	var shape := Shapes.curve(
		[
			Vector2(-13 * girth, -103),
			Vector2(13 * girth, -103),
			Vector2(21 * girth, -82),
			Vector2(half, -24),
			Vector2(0, -20),
			Vector2(-half, -24),
			Vector2(-21 * girth, -82)
		]
	)
	Shapes.fill(self, shape, robe)
	draw_line(
		Vector2(-facing * 15 * girth, -88),
		Vector2(-facing * 19 * girth, -30),
		Color(robe.darkened(0.25), 0.8),
		9.0,
		true
	)
	draw_line(Vector2(-22 * girth, -54), Vector2(22 * girth, -54), trim.darkened(0.45), 6.0, true)
	draw_rect(Rect2(-4 + facing * 4, -58, 8, 8), trim)
	if thing == Thing.APRON:
		Shapes.fill(
			self,
			[
				Vector2(-12 + facing * 3, -92),
				Vector2(12 + facing * 3, -92),
				Vector2(18 + facing * 3, -28),
				Vector2(-18 + facing * 3, -28)
			],
			Color("efe6d2")
		)


func _draw_arm(side: int) -> void:
	var shoulder := Vector2((-17.0 if side == 0 else 17.0) * girth, -94)
	var hand := _hands[side]
	shoulder.x *= facing
	hand.x *= facing
	if _stride > 0.5 and _pose == "rest":
		hand.x += sin(_time * 11.0) * (10.0 if side == 0 else -10.0)
	var outwards := signf(shoulder.x) * 9.0
	var elbow := (shoulder + hand) / 2.0 + Vector2(outwards, 4.0)
	Shapes.limb(self, [shoulder, elbow, hand], robe.darkened(0.1), 10.0)
	Shapes.disc(self, hand, 6.5, skin)


func _draw_head(center: Vector2) -> void:
	if _nodding:
		center.y += absf(sin(_time * 7.0)) * 5.0
	if _shaking:
		center.x += sin(_time * 13.0) * 5.0
	if hair == Hair.HOOD:
		var hood := Shapes.curve(
			[
				center + Vector2(-22, 20),
				center + Vector2(-26, -6),
				center + Vector2(-facing * 6, -32),
				center + Vector2(26, -6),
				center + Vector2(22, 20)
			]
		)
		Shapes.fill(self, hood, robe.darkened(0.18))
	if hair == Hair.BUN:
		Shapes.disc(self, center + Vector2(-facing * 8, -25), 10.0, hair_color)
	Shapes.disc(self, center, 20.0, skin)
	_draw_hair(center)
	var mouth := 0.0
	if is_speaking:
		mouth = 0.25 + 0.4 * absf(sin(_time * 13.0) * sin(_time * 5.1))
	Face.draw(self, center + Vector2(facing * 5.0, 1.0), 19.0, feeling, mouth)


func _draw_hair(center: Vector2) -> void:
	match hair:
		Hair.HOOD:
			draw_arc(
				center + Vector2(0, -1),
				20.5,
				PI * 1.04,
				TAU - PI * 0.04,
				20,
				robe.darkened(0.18),
				7.0,
				true
			)
		Hair.BUN, Hair.LOCKS:
			var fringe: PackedVector2Array = Shapes.ellipse(
				center + Vector2(0, -2), Vector2(22, 22), PI, TAU, 14
			)
			fringe.append(center + Vector2(16, -9))
			fringe.append(center + Vector2(facing * 7, -13))
			fringe.append(center + Vector2(-16, -8))
			Shapes.fill(self, fringe, hair_color)
		Hair.GREY_BEARD:
			var beard: PackedVector2Array = Shapes.ellipse(
				center + Vector2(0, 3), Vector2(20, 27), 0.0, PI, 16
			)
			beard.append(center + Vector2(-13, 9))
			beard.append(center + Vector2(facing * 5, 5))
			beard.append(center + Vector2(13, 9))
			Shapes.fill(self, beard, hair_color)
			var cap: PackedVector2Array = Shapes.ellipse(
				center + Vector2(0, -7), Vector2(22, 20), PI, TAU, 14
			)
			Shapes.fill(self, cap, robe.darkened(0.35))


func _draw_thing() -> void:
	match thing:
		Thing.LUTE:
			var middle := Vector2(facing * 2, -66)
			var neck := middle + Vector2(facing * 44, -28)
			Shapes.limb(self, [middle, neck], Color("6b4326"), 5.0)
			Shapes.fill(self, Shapes.ellipse(middle, Vector2(21, 16)), Color("c98d4c"))
			draw_circle(middle + Vector2(facing * 3, -2), 5.5, Color("5a3520"), true, -1.0, true)
			draw_line(middle + Vector2(-facing * 14, 6), neck, Color("f2e3c0"), 1.2, true)
			Shapes.disc(self, Vector2(_hands[1].x * facing, _hands[1].y), 6.5, skin)
		Thing.SATCHEL:
			draw_line(Vector2(-16, -98), Vector2(20, -46), Color("6b4326"), 5.0, true)
			Shapes.fill(self, Shapes.rect(9, -50, 22, 18), Color("8a5a34"))
			draw_line(Vector2(9, -43), Vector2(31, -43), Color("5a3520"), 2.0)
