"""The real processes behind a test: `dramatis mock-llm` and `dramatis serve`, each started by it in
a folder of its own, and ended by their ids when it is over. `tests/python` and `tests/godot` play
against them."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

BINARY = os.environ.get("DRAMATIS_BIN", "dramatis")
PATIENCE = 20.0


class Process:
    """A child that tells in one line of JSON on standard output where it listens."""

    def __init__(self, arguments: list[str], folder: Path, name: str, **env: str) -> None:
        # Nothing of the developer's own settings: no key, no `.env`, no proxy.
        kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT") if key in os.environ}
        self.log = folder / f"{name}.log"
        with self.log.open("ab") as log:
            self.child = subprocess.Popen([BINARY, *arguments, "--ready-json"], cwd=folder,
                                          env=kept | env, stdout=subprocess.PIPE, stderr=log)
        line = self.child.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} did not start: {self.log.read_text()}")
        self.ready = json.loads(line)

    def terminate(self) -> int:
        """Asks it to end, and waits; gives the exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """Ends it without a last word."""
        self.child.kill()
        self.wait()

    def wait(self) -> int:
        return self.child.wait(PATIENCE)

    def end(self) -> None:
        """Ends it if it still runs, at the test's end."""
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()


class Server(Process):
    """`dramatis serve`."""

    def __init__(self, folder: Path, model: str | None, name: str,
                 settings: dict[str, Any]) -> None:
        # Without a model the built-in actor plays.
        given = {"port": 0, "data": "data", "logs": "logs"} | settings
        flags = [f"--{key.replace('_', '-')}={value}" for key, value in given.items()]
        env = {"OPENAI_API_BASE": model} if model else {}
        super().__init__(["serve", *flags], folder, name, **env)
        self.folder = folder
        self.url: str = self.ready["url"]

    def prompt(self, agent_id: str, turn_id: str) -> str:
        """What the model was told for a turn, as the server's log has it, beginning with the first
        message after the system prompt."""
        messages = self._model_input(agent_id, turn_id)
        return "\n".join(f"[{m['role']}] {m['content']}" for m in messages
                         if m["role"] != "system")

    def whole_prompt(self, agent_id: str, turn_id: str) -> str:
        """As `prompt`, with the system prompt."""
        return json.dumps(self._model_input(agent_id, turn_id), ensure_ascii=False)

    def _model_input(self, agent_id: str, turn_id: str) -> list[dict[str, Any]]:
        # The log is written behind the turn.
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            for path in (self.folder / "logs").glob(f"*/{agent_id}.model-input.jsonl"):
                for line in path.read_text().splitlines(keepends=True):
                    if not line.endswith("\n"):
                        continue
                    data = json.loads(line)["data"]
                    if data.get("turn_id") == turn_id:
                        return data["messages"]
            time.sleep(0.01)
        raise TimeoutError(f"no model input of {turn_id} was logged")


class House:
    """What a test plays in: a mock model, and a server that asks it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes: list[Process] = []

    def model(self, script: str, *flags: str, rate: int = 50_000) -> str:
        """Starts a mock model that plays a script; gives its address for `serve`. `rate`: tokens a
        second; 0 sends everything at once, and then a script's delays don't count."""
        path = self.folder / "script.yaml"
        path.write_text(script)
        mock = Process(["mock-llm", "--port=0", f"--rate={rate}", f"--script={path}", *flags],
                       self.folder, "mock-llm")
        self.processes.append(mock)
        return f"http://{mock.ready['address']}/v1"

    def serve(self, model: str | None, **settings: Any) -> Server:
        """Starts a server, `settings` being its flags. A second one finds the first one's data."""
        server = Server(self.folder, model, "serve", settings)
        self.processes.append(server)
        return server

    def play(self, script: str, **settings: Any) -> Server:
        """A server and the model that plays the script."""
        return self.serve(self.model(script), **settings)

    def end(self) -> None:
        for process in reversed(self.processes):
            process.end()


@pytest.fixture
def house(tmp_path: Path):
    house = House(tmp_path)
    yield house
    house.end()
    # Shown where the test failed.
    for log in sorted(tmp_path.glob("*.log")):
        print(f"--- {log.name}\n{log.read_text()}")
