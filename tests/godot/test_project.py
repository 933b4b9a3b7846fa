"""The Godot project as it lies there: it imports, every file loads, every unit test passes, and it is
written as GDScript should be."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from godot import GODOT, PROJECT, complaints, environment, run


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project in a folder of its own, as a clean checkout has it."""
    folder = tmp_path / "project"
    shutil.copytree(PROJECT, folder, ignore=shutil.ignore_patterns(".godot"))
    return folder


def load_all(project: Path, folder: Path) -> str:
    return run(project, folder, "-s", "res://tests/load_all.gd")


def test_a_clean_checkout_imports_and_every_file_loads(copy, tmp_path):
    before = {path.relative_to(copy) for path in copy.rglob("*")}
    run(copy, tmp_path, "--import")
    output = load_all(copy, tmp_path)
    assert ", 0 faults" in output
    assert int(re.search(r"(\d+) files loaded", output)[1]) > 40
    made = {path.relative_to(copy) for path in copy.rglob("*")} - before
    made = sorted(str(path) for path in made if path.parts[0] != ".godot")
    assert not made, "the engine makes these files: commit them"


@pytest.mark.parametrize(("place", "fault", "complaint"), [
    ("addons/dramatis", "var x = 1\n", "has no static type"),
    ("tests", "func f() -> void:\n\tvar x: int = 1\n", "never used"),
    ("tavern", "func f() -> Nothing:\n\treturn null\n", "Could not find type"),
])
def test_a_fault_in_any_file_is_found(copy, tmp_path, place, fault, complaint):
    (copy / place).mkdir(exist_ok=True)
    (copy / place / "faulty.gd").write_text("extends Node\n\n\n" + fault)
    with pytest.raises(AssertionError, match=complaint):
        run(copy, tmp_path, "--import")
        load_all(copy, tmp_path)


def test_the_unit_tests_pass(tmp_path):
    done = subprocess.run(
        [GODOT, "--headless", "--path", str(PROJECT), "--max-fps", "200", "-s", "res://tests/run.gd"],
        env=environment(tmp_path), stdin=subprocess.DEVNULL, timeout=100, text=True, check=False,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    found = complaints(done.stdout)
    for expected in re.findall(r"^EXPECTS (.*)$", done.stdout, re.MULTILINE):
        fitting = [complaint for complaint in found if expected in complaint]
        assert fitting, f"the engine didn't complain of: {expected}"
        found.remove(fitting[0])
    assert done.returncode == 0, done.stdout
    assert not found, "\n".join(found)
    assert int(re.search(r"(\d+) passed, 0 failed", done.stdout)[1]) > 80


@pytest.mark.parametrize("tool", [["gdformat", "--check"], ["gdlint"]])
def test_it_is_written_as_gdscript_should_be(tool):
    program = Path(sys.executable).parent / tool[0]
    folders = [str(path) for path in PROJECT.iterdir() if path.is_dir() and path.name[0] != "."]
    done = subprocess.run([program, *tool[1:], *folders], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout
