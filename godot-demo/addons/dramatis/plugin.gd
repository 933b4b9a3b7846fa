@tool
extends EditorPlugin
## Registers what a game needs to run: the autoload, and the settings of the server's address.

const AUTOLOAD := "DramatisClient"
const Client := preload("client.gd")


func _enter_tree() -> void:
	_add_setting(Client.URL_SETTING, Client.DEFAULT_URL, TYPE_STRING)
	_add_setting(Client.TOKEN_SETTING, "", TYPE_STRING)
	_add_setting(Client.CONNECT_SETTING, true, TYPE_BOOL)
	# Who enables the plugin by editing project.godot gets no other word of it.
	if not ProjectSettings.has_setting("autoload/" + AUTOLOAD):
		add_autoload_singleton(AUTOLOAD, "client.gd")
		ProjectSettings.save()


func _disable_plugin() -> void:
	remove_autoload_singleton(AUTOLOAD)


func _add_setting(setting: String, default: Variant, type: Variant.Type) -> void:
	if not ProjectSettings.has_setting(setting):
		ProjectSettings.set_setting(setting, default)
	ProjectSettings.set_initial_value(setting, default)
	ProjectSettings.add_property_info({"name": setting, "type": type})
	ProjectSettings.set_as_basic(setting, true)
