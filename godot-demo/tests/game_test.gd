extends "unit_test.gd"
## What unit tests of the addon are made of that need a connection: the game is the autoload with
## characters below the test, the server is a fake.

const FakeServer := preload("fake_server.gd")

var server: FakeServer


func before() -> void:
	server = FakeServer.new()
	add_child(server)
	DramatisClient.token = ""
	DramatisClient.start_session()
	DramatisClient.connect_to_server(server.url)
	await until(is_online, "a connection")
	checks = 0


func after() -> void:
	DramatisClient.disconnect_from_server()
	DramatisClient.start_session()


func is_online() -> bool:
	return DramatisClient.state == DramatisClient.State.ONLINE


## A character in the game.
func character(id: String) -> DramatisAgent:
	var agent := DramatisAgent.new()
	agent.agent_id = id
	add_child(agent)
	return agent


## Waits for the message of a type that comes as the [param count]th, and gives it.
func received(type: String, count := 1) -> Dictionary:
	var has_come := func() -> bool: return server.of_type(type).size() >= count
	if not await until(has_come, "%s number %d" % [type, count]):
		return {}
	return server.of_type(type)[count - 1]


## What a signal emits from now on, a list of arguments each time. Of at most two arguments.
func record(signal_of: Signal) -> Array[Array]:
	var seen: Array[Array] = []
	signal_of.connect(
		func(first: Variant = null, second: Variant = null) -> void: seen.append([first, second])
	)
	return seen


## A field of the message that a signal has emitted first.
func field_of(seen: Array[Array], field: String) -> Variant:
	var message: Dictionary = seen[0][0]
	return message[field]
