class_name ServerSettings
## Where the server is: what the player has set, kept in the user's folder. An address on the
## command line, `-- --url=ws://…`, goes before it.

const PATH := "user://server.cfg"
const SECTION := "server"


## Connects to where the player, or the command line, wants it.
static func apply() -> void:
	var wanted := _from_command_line()
	var wanted_token := DramatisClient.token
	if wanted.is_empty():
		var file := ConfigFile.new()
		if file.load(PATH) != OK:
			return
		wanted = file.get_value(SECTION, "url", DramatisClient.url)
		wanted_token = file.get_value(SECTION, "token", "")
	if wanted != DramatisClient.url or wanted_token != DramatisClient.token:
		connect_to(wanted, wanted_token)


## Keeps them, and connects.
static func save(url: String, token: String) -> void:
	var file := ConfigFile.new()
	file.set_value(SECTION, "url", url)
	file.set_value(SECTION, "token", token)
	var problem := file.save(PATH)
	if problem != OK:
		push_warning("The settings can't be kept: %s" % error_string(problem))
	connect_to(url, token)


static func connect_to(url: String, token: String) -> void:
	# Set and not handed over: an empty token shall count, too.
	DramatisClient.url = url
	DramatisClient.token = token
	DramatisClient.connect_to_server()


static func _from_command_line() -> String:
	for argument in OS.get_cmdline_user_args():
		if argument.begins_with("--url="):
			return argument.trim_prefix("--url=")
	return ""
