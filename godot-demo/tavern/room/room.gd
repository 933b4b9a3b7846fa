class_name Room
extends Node2D
## The tavern: where its places are, how one gets from one to another, and what can be changed.

const PLACES: Dictionary[String, Vector2] = {
	"bar": Vector2(716, 524),
	"door": Vector2(104, 456),
	"window": Vector2(308, 452),
	"fire": Vector2(612, 462),
}

const FLOOR := Rect2(40, 444, 830, 128)
## What the bar takes of the floor, with those who serve behind it.
const BAR := Rect2(676, 0, 300, 512)
## What a body takes of the floor, in width and depth: so far apart nobody hides anybody.
const BODY := Vector2(72, 56)
## From one place to the next, in a ring around one that is taken.
const BESIDE := Vector2(80, 62)
const RINGS := 4
const DIRECTIONS := 16
## The way around the bar: its open end, and the corner in front of it.
const BAR_GAP := Vector2(664, 446)
const BAR_CORNER := Vector2(668, 518)

@onready var door: Door = $Door
@onready var weather: Weather = $Weather


## The nearest point on which a guest may stand.
func clamped(point: Vector2) -> Vector2:
	var inside := point.clamp(FLOOR.position, FLOOR.end)
	if BAR.has_point(inside):
		if BAR.end.y - inside.y < inside.x - BAR.position.x:
			inside.y = BAR.end.y
		else:
			inside.x = BAR.position.x
	return inside


## The place nearest to the wish where [param who] stands in nobody's way; of two as good, the one
## nearer to [param beside].
func free_place(wish: Vector2, who: Figure, beside := wish) -> Vector2:
	# Behind the bar there is room for those who serve.
	if is_free(wish, who) or BAR.has_point(wish):
		return wish
	var best := wish
	var least := INF
	for ring in range(1, RINGS + 1):
		for direction in DIRECTIONS:
			var around := Vector2.from_angle(TAU * direction / DIRECTIONS) * BESIDE * ring
			var place := clamped(wish + around)
			var cost := _distance_on_floor(wish, place) + 0.3 * _distance_on_floor(beside, place)
			if cost < least and is_free(place, who):
				best = place
				least = cost
	return best


## Whether nobody else stands there, or is about to.
func is_free(place: Vector2, who: Figure) -> bool:
	for figure: Figure in get_tree().get_nodes_in_group(Figure.GROUP):
		if figure != who and ((figure.destination() - place) / BODY).length() < 1.0:
			return false
	return true


## Depth counts double: better beside somebody than in front.
func _distance_on_floor(from: Vector2, to: Vector2) -> float:
	return ((to - from) * Vector2(1, 2)).length()


## The points by which one gets there.
func way(from: Vector2, to: Vector2) -> PackedVector2Array:
	var points: PackedVector2Array = []
	var begins_behind := BAR.has_point(from)
	var ends_behind := BAR.has_point(to)
	if begins_behind and not ends_behind:
		points.append(BAR_GAP)
		from = BAR_GAP
	var around := from if ends_behind else to
	var beside := to if ends_behind else from
	if around.x > BAR.position.x and around.y >= BAR.end.y and beside.y < BAR.end.y:
		points.append(BAR_CORNER)
	if ends_behind and not begins_behind:
		points.append(BAR_GAP)
	points.append(to)
	return points


## Where a guest stands to talk to somebody.
func place_beside(somebody: Vector2, guest: Vector2) -> Vector2:
	if BAR.has_point(somebody):
		return Vector2(somebody.x - 94.0, BAR.end.y + 6)
	var side := 1.0 if guest.x > somebody.x else -1.0
	return clamped(somebody + Vector2(side * 82.0, 30))


## The name of the place nearest to a point.
func place_name(point: Vector2) -> String:
	if BAR.has_point(point):
		return "bar"
	var nearest := ""
	for place in PLACES:
		var distance := point.distance_to(PLACES[place])
		if nearest.is_empty() or distance < point.distance_to(PLACES[nearest]):
			nearest = place
	return nearest


## What one sees here, in notes.
func in_words() -> String:
	var rain := "raining hard" if weather.is_raining else "a pause in the rain"
	var lantern := "burning, and a boat comes in" if weather.lantern_burns else "dark"
	return (
		"Outside: night, the river, %s\nThe lantern on the landing: %s\nThe door: %s"
		% [rain, lantern, door.in_words()]
	)
