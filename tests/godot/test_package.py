"""The packed addon in a project that has nothing else, as a user installs it: enabled in the editor,
one node, and the script of the README's first section."""

import re
import subprocess
import time
import zipfile
from pathlib import Path

import pytest

from godot import PROJECT, environment, run
from house import BINARY

PROJECT_FILE = """config_version=5

[application]

config/name="Empty"
MAIN

[dramatis]

server/url="URL"

[editor_plugins]

enabled=PackedStringArray("res://addons/hand/plugin.cfg")
"""

# Stands in for the hand that ticks the box in the project settings.
HAND = """@tool
extends EditorPlugin


func _enter_tree() -> void:
	_enable.call_deferred()


func _enable() -> void:
	EditorInterface.set_plugin_enabled("dramatis", true)
	ProjectSettings.save()
"""

SCENE = """[gd_scene load_steps=3 format=3]

[ext_resource type="Script" path="res://guard.gd" id="1"]
[ext_resource type="Script" path="res://addons/dramatis/agent.gd" id="2"]

[node name="Guard" type="Node2D"]
script = ExtResource("1")

[node name="DramatisAgent" type="Node" parent="."]
script = ExtResource("2")
"""


# What the README's pieces of scripts take for granted of the game that they stand in.
GAME = """extends Node

var agent: DramatisAgent
var bubble: Control
var guests: Dictionary
var save_file: FileAccess


func walk_to(_place: String) -> bool:
	await get_tree().process_frame
	return true


"""

# Compiles every script, as the editor does when it is opened.
COMPILE = """extends SceneTree


func _initialize() -> void:
	await process_frame
	for file in DirAccess.get_files_at("res://snippets"):
		if file.ends_with(".gd"):
			var script: GDScript = load("res://snippets/" + file)
			print("%s %s" % [file, script != null and script.can_instantiate()])
	quit()
"""


def packed(folder: Path) -> Path:
    """The archive, made anew."""
    done = subprocess.run([PROJECT / "tools" / "package"], stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, check=True,
                          env=environment(folder) | {"CARGO_TARGET_DIR": str(folder)})
    return Path(done.stdout.strip())


def set_up(project: Path, url: str = "ws://127.0.0.1:1/ws", main: str = "") -> None:
    """The project's settings, as they are before the plugin is enabled."""
    scene = f'run/main_scene="{main}"' if main else ""
    (project / "project.godot").write_text(PROJECT_FILE.replace("URL", url).replace("MAIN", scene))


def ten_lines() -> str:
    """The script of the README's first section."""
    section = (PROJECT / "README.md").read_text().split("## A character in ten lines")[1]
    return re.search(r"```gdscript\n# guard\.gd\n(.*?)```", section, re.DOTALL)[1]


def sidecar(folder: Path) -> str:
    """The script of “Ship a game”, with the server's program in that folder."""
    piece = re.search(r"```gdscript\n# sidecar\.gd\n(.*?)```",
                      (PROJECT / "README.md").read_text(), re.DOTALL)[1]
    beside_the_game = "OS.get_executable_path().get_base_dir()"
    assert beside_the_game in piece
    return piece.replace(beside_the_game, f'"{folder}"')


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    with zipfile.ZipFile(packed(tmp_path)) as archive:
        archive.extractall(folder)
    hand = folder / "addons" / "hand"
    hand.mkdir()
    (hand / "plugin.cfg").write_text('[plugin]\n\nname="hand"\ndescription=""\nauthor=""\n'
                                     'version="1"\nscript="plugin.gd"\n')
    (hand / "plugin.gd").write_text(HAND)
    return folder


def test_the_archive_holds_the_addon_and_nothing_else(tmp_path):
    archive = packed(tmp_path)
    names = zipfile.ZipFile(archive).namelist()
    assert all(name.startswith("addons/dramatis/") for name in names)
    for needed in ["plugin.cfg", "LICENSE", "README.md", "client.gd", "icons/agent.svg"]:
        assert f"addons/dramatis/{needed}" in names
    licence = (PROJECT.parent / "LICENSE").read_text()
    assert (PROJECT / "addons" / "dramatis" / "LICENSE").read_text() == licence
    first = archive.read_bytes()
    assert packed(tmp_path).read_bytes() == first, "the same files make the same archive"


def test_a_character_in_ten_lines_answers_in_an_empty_project(house, project, tmp_path):
    server = house.serve(None)
    set_up(project, server.url, "res://guard.tscn")
    (project / "guard.tscn").write_text(SCENE)
    (project / "guard.gd").write_text(ten_lines())
    run(project, tmp_path, "--import")
    settings = (project / "project.godot").read_text()
    assert 'DramatisClient="*' in settings, "enabling the plugin registers the client"
    assert server.url in settings

    # It is a game and doesn't end by itself: after four seconds of its frames.
    output = run(project, tmp_path, "--max-fps", "60", "--quit-after", "240")
    lines = output.splitlines()
    assert any(line.startswith("speech {") for line in lines), output
    words = [line for line in lines if line and not re.match(r"\w+ {|Godot Engine", line)]
    assert len(words) == 1 and len(words[0]) > 10, f"the whole speech in one line:\n{output}"


def test_the_readmes_sidecar_starts_the_server_and_ends_it(project, tmp_path):
    server = tmp_path / "dramatis"
    # Tells how it ended: the game doesn't wait for it.
    server.write_text(f'#!/bin/sh\n"{BINARY}" "$@" --data "{tmp_path}/data" --logs "{tmp_path}/logs"\n'
                      f'echo "$?" > "{tmp_path}/ended"\n')
    server.chmod(0o755)
    set_up(project, main="res://guard.tscn")
    (project / "guard.tscn").write_text(SCENE)
    (project / "guard.gd").write_text(ten_lines())
    (project / "sidecar.gd").write_text(sidecar(tmp_path))
    run(project, tmp_path, "--import")
    with (project / "project.godot").open("a") as settings:
        settings.write('\n[autoload]\n\nSidecar="*res://sidecar.gd"\n'
                       "\n[dramatis]\n\nserver/connect_on_start=false\n")

    output = run(project, tmp_path, "--max-fps", "60", "--quit-after", "240")
    assert any(line.startswith("speech {") for line in output.splitlines()), output
    deadline = time.monotonic() + 20
    while not (tmp_path / "ended").exists():
        assert time.monotonic() < deadline, "the server outlives the game"
        time.sleep(0.05)
    assert (tmp_path / "ended").read_text().strip() == "0"

    (project / "sidecar.gd").write_text(sidecar(tmp_path / "nowhere"))
    with pytest.raises(AssertionError, match="dramatis is missing, or it could not start"):
        run(project, tmp_path, "--max-fps", "60", "--quit-after", "10")


def test_a_plugin_enabled_by_editing_the_settings_registers_the_client(project, tmp_path):
    set_up(project)
    settings = project / "project.godot"
    settings.write_text(settings.read_text().replace("addons/hand", "addons/dramatis"))
    run(project, tmp_path, "--import")
    assert 'DramatisClient="*' in settings.read_text()


def test_every_piece_of_script_in_the_readme_compiles(project, tmp_path):
    readme = (PROJECT / "README.md").read_text()
    pieces = re.findall(r"```gdscript\n(.*?)```", readme, re.DOTALL)
    assert len(pieces) > 5
    set_up(project)
    # A call of a method that isn't there is no error by itself.
    with (project / "project.godot").open("a") as settings:
        settings.write("\n[debug]\n\ngdscript/warnings/unsafe_method_access=2\n")
    (project / "snippets").mkdir()
    for number, piece in enumerate(pieces):
        (project / "snippets" / f"piece_{number}.gd").write_text(whole(piece))
    (project / "compile.gd").write_text(COMPILE)
    run(project, tmp_path, "--import")
    output = run(project, tmp_path, "-s", "res://compile.gd")
    for number, piece in enumerate(pieces):
        assert f"piece_{number}.gd true" in output, piece


def whole(piece: str) -> str:
    """A piece of a script as a script: with the game around it, and statements in a function."""
    if "extends " in piece:
        return piece
    statements, functions = re.match(r"(.*?)((?:^func .*)?)\Z", piece, re.DOTALL | re.M).groups()
    body = "".join(f"\t{line}\n" for line in statements.splitlines() if line)
    return GAME + functions + (f"\n\nfunc piece() -> void:\n{body}" if body else "")


def test_it_is_about_ten_lines():
    lines = [line for line in ten_lines().splitlines() if line.strip()]
    assert len(lines) <= 10
