"""Brings the processes that tests play against."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "support")]

from godot import Scene  # noqa: E402
from house import House, house  # noqa: E402, F401


@pytest.fixture
def play(house: House):
    """Starts scenes, and ends them at the test's end."""
    scenes: list[Scene] = []

    def start(name: str, url: str, **options: object) -> Scene:
        scenes.append(Scene(house.folder, name, {"url": url} | options))
        return scenes[-1]

    yield start
    for scene in scenes:
        scene.end()
