"""Real Godot processes: runs of the engine without a window, what they print, and what they must
never print."""

import json
import os
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

GODOT = os.environ.get("GODOT", "godot4")
PROJECT = Path(__file__).parents[2] / "godot-demo"

# Of a process, beyond the time limit that a scene sets itself. Only what hangs takes so long: several
# engines import a project at a time, and the machine may have other work.
PATIENCE = 120.0

# How a scene ends whose own time is over; see `godot-demo/tests/trial.gd`.
OUT_OF_TIME = 3

# The engine goes on after any of these, so that only its output tells.
COMPLAINT = re.compile(r"SCRIPT ERROR|\bERROR\b|\bWARNING\b|\bleaked\b|Parse Error|Stack overflow")

# What waits in an `await` when the engine ends is counted as leaked by it.
OF_WAITING = re.compile(r"instances leaked at exit|resources still in use at exit")

Finding = dict[str, Any]


def complaints(output: str) -> list[str]:
    """The lines in which the engine complains, each with what explains it."""
    lines = output.splitlines()
    return ["\n".join(lines[number:number + 4]) for number, line in enumerate(lines)
            if COMPLAINT.search(line)]


def environment(folder: Path) -> dict[str, str]:
    """What the engine needs of the environment; its own files go to the test's folder."""
    kept = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    places = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")
    return kept | {place: str(folder / place.lower()) for place in places}


def run(project: Path, folder: Path, *arguments: str, patience: float = PATIENCE) -> str:
    """Runs the engine to its end; gives all that it printed. Fails if it fails, or complains."""
    done = subprocess.run([GODOT, "--headless", "--path", str(project), *arguments],
                          env=environment(folder), stdin=subprocess.DEVNULL, timeout=patience,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"it ended with {done.returncode}:\n{done.stdout}"
    assert not complaints(done.stdout), "\n".join(complaints(done.stdout))
    return done.stdout


class Scene:
    """A scene of `godot-demo/tests/scenes` that is being played, and what it has told so far."""

    def __init__(self, folder: Path, name: str, options: dict[str, object],
                 project: Path = PROJECT) -> None:
        self.name = name
        self.findings: list[Finding] = []
        self._changed = threading.Condition()
        self._errors = folder / f"godot-{name}.log"
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in options.items()]
        with self._errors.open("wb") as errors:
            self.child = subprocess.Popen(
                [GODOT, "--headless", "--path", str(project), "--max-fps", "60",
                 "-s", "res://tests/play.gd", "--", f"--scene={name}", *flags],
                env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=errors, text=True)
        self._other: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            with self._changed:
                if line.startswith("{"):
                    self.findings.append(json.loads(line))
                else:
                    self._other.append(line)
                self._changed.notify_all()
        with self._changed:
            self.child.wait()
            self._changed.notify_all()

    def told(self, what: str) -> list[dict[str, Any]]:
        """The facts of everything of a kind that it told."""
        return [finding["facts"] for finding in self.findings if finding["told"] == what]

    def order(self, *kinds: str) -> list[str]:
        """Which of these kinds it told, in order."""
        return [finding["told"] for finding in self.findings if finding["told"] in kinds]

    def until(self, what: str, count: int = 1) -> dict[str, Any]:
        """Waits until it tells something for the `count`th time."""
        return self._wait(lambda: self.told(what)[count - 1:count], what)[0]

    def _wait(self, find: Callable[[], Any], what: str) -> Any:
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while not (found := find()):
                assert self._reading.is_alive(), f"{self.name} ended before “{what}”\n{self.text()}"
                left = deadline - time.monotonic()
                assert left > 0, f"{self.name} never told “{what}”\n{self.text()}"
                self._changed.wait(left)
            return found

    def finished(self, *codes: int) -> "Scene":
        """Waits for its end, which must come by itself and without a complaint of the engine."""
        try:
            code = self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} hangs\n{self.text()}") from None
        self._reading.join()
        assert code in (codes or (0,)), f"{self.name} ended with {code}\n{self.text()}"
        assert self.told("end"), f"{self.name} didn't end by itself\n{self.text()}"
        found = complaints(self._errors.read_text() + "".join(self._other))
        if code == OUT_OF_TIME:
            found = [complaint for complaint in found if not OF_WAITING.search(complaint)]
        assert not found, f"{self.name}:\n" + "\n".join(found)
        return self

    def text(self) -> str:
        """All of it, for whoever reads why a test failed."""
        told = "\n".join(json.dumps(finding, ensure_ascii=False)[:1500] for finding in self.findings)
        return "\n".join([told, *self._other, self._errors.read_text()[:4000]])

    def end(self) -> None:
        """Ends it if it still runs."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self._reading.join()
        self.child.stdout.close()
