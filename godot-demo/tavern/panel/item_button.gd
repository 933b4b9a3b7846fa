class_name ItemButton
extends Button
## Something that the player carries, drawn.

var item := "":
	set(value):
		item = value
		tooltip_text = "Give %s" % Inventory.title(item)
		queue_redraw()


func _init() -> void:
	custom_minimum_size = Vector2(46, 40)
	focus_mode = Control.FOCUS_NONE


func _draw() -> void:
	var middle := size / 2.0
	match item:
		"letter":
			Shapes.fill(self, Shapes.rect(middle.x - 15, middle.y - 10, 30, 20), Color("efe3c6"))
			var flap: PackedVector2Array = [Vector2(-15, -10), Vector2(0, 3), Vector2(15, -10)]
			for index in flap.size():
				flap[index] += middle
			draw_polyline(flap, Shapes.OUTLINE, 2.0, true)
			Shapes.disc(self, middle + Vector2(0, 3), 4.5, Color("3f6fb5"))
		"ale":
			Shapes.fill(self, Shapes.rect(middle.x - 10, middle.y - 8, 18, 20), Color("c58a3c"))
			draw_arc(
				middle + Vector2(10, 2), 6.0, -PI / 2.0, PI / 2.0, 10, Color("c58a3c"), 3.0, true
			)
			Shapes.fill(
				self, Shapes.ellipse(middle + Vector2(-1, -9), Vector2(10, 5)), Color("f4ead2")
			)
		"stew":
			var bowl := Shapes.ellipse(middle, Vector2(16, 12), 0.0, PI, 14)
			Shapes.fill(self, bowl, Color("8a5a38"))
			Shapes.fill(self, Shapes.ellipse(middle, Vector2(16, 4)), Color("b97a3a"))
		"candle":
			Shapes.fill(self, Shapes.rect(middle.x - 4, middle.y - 4, 8, 18), Color("e8dcc0"))
			Shapes.fill(
				self, Shapes.ellipse(middle + Vector2(0, -9), Vector2(3, 5)), Color("ffb648")
			)
		"oil":
			var jar: PackedVector2Array = [Vector2(-9, 13), Vector2(-11, -2), Vector2(-5, -7)]
			jar.append_array([Vector2(-5, -13), Vector2(5, -13), Vector2(5, -7), Vector2(11, -2)])
			jar.append(Vector2(9, 13))
			for index in jar.size():
				jar[index] += middle
			Shapes.fill(self, jar, Color("d9b04a"))
			draw_line(middle + Vector2(-10, 2), middle + Vector2(10, 2), Color("8a6a2a"), 3.0)
