"""The transcripts of `protocol/examples`, played by the addon: a server that sends the server's lines
holds what the game sends against the game's lines.

Ids that the game makes are mapped onto those of the transcript. What else may differ stands in
`DIFFERENCES`, each with its reason.
"""

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

EXAMPLES = Path(__file__).parents[2] / "protocol" / "examples"

# What a game of the addon's never sends quite so.
DIFFERENCES = {
    "content": "the addon reports tags with their outcomes; a text of its own would only repeat them",
    "forget_others": "the addon always asks for it: who first speaks after a save has never spoken before",
    "message_id": "the addon numbers whatever it wants to see confirmed, the greeting too",
    "event_id": "an event of the addon's always has an id; the game must know its fate",
    "game": "the project's name is always told",
    "tag_id": "the addon answers native calls by tag_id too; the protocol takes either",
    "detail": "why a tool failed stands in its answer",
}

# Lines that only `DramatisClient.send` can bring out, because no call of the addon's means that.
RAW = {
    ("cancel.jsonl", "cancel_turn", "t1"): "`cancel` stops whatever runs, not one turn by its id",
    ("cancel.jsonl", "cancel_turn", "t99"): "the same; and the addon knows of no such turn",
    ("errors.jsonl", "interaction", "e1"): "there is no such message",
    ("errors.jsonl", "tool_results", "t1"): "the addon only answers tools that were called",
    ("newer_events.jsonl", "interaction_event", "e3"): "`interact` never gives an id twice",
    ("notification.jsonl", "notification_event", None): "`notify_event` tells one character",
}

# Transcripts that are no game of the addon's.
LEFT_OUT = {
    "tolerant.jsonl": "clumsy messages, which the addon doesn't send; the server's own tests read them",
}

# The first greeting of save_games.jsonl throws away what came after the save. The addon always
# goes on in a copy, as the second does.
SKIPPED = {("save_games.jsonl", 0), ("save_games.jsonl", 1)}

AUTOMATIC = {"hello", "ping", "agent_state_snapshot", "agent_turn_result", "tool_results"}

Message = dict[str, Any]


def lines(name: str) -> list[tuple[str, Message]]:
    read = [json.loads(line) for line in (EXAMPLES / name).read_text().splitlines()]
    return [(line["from"], line["message"]) for number, line in enumerate(read)
            if (name, number) not in SKIPPED]


def headed(dossier: Any) -> list[Message]:
    """Both shapes of a dossier as one."""
    if isinstance(dossier, dict):
        return [{"title": title, "content": content} for title, content in dossier.items()]
    return dossier


def is_raw(name: str, message: Message, seen: set[str]) -> bool:
    """Whether a line only comes out by `send`. A repeated event is raw the second time."""
    about = message.get("turn_id") or message.get("event_id")
    if (name, message["type"], about) not in RAW:
        return False
    return name != "newer_events.jsonl" or message["event_id"] in seen


def plan(name: str) -> Message:
    """What the game does in a transcript."""
    steps: list[Message] = []
    agents: dict[str, Message] = {}
    shown: dict[str, Message] = {}
    made: Message = {"steps": steps, "agents": agents, "shown": shown, "session_id": "", "said": 0}
    heard = 0
    seen: set[str] = set()
    for who, message in lines(name):
        kind = message["type"]
        if who == "server":
            heard += kind not in ("stored", "pong")
            continue
        made["said"] += kind != "ping"
        for agent in [message.get("agent_id"), *message.get("agent_ids", [])]:
            if agent:
                agents.setdefault(agent, {"name": agent, "own": {}, "tools": {}, "situations": []})
        if kind == "hello" and "fork_of" in message:
            made["resume"] = {"session_id": message["fork_of"], "turns": message["resume_after"]}
        elif kind == "hello":
            made["session_id"] = message["session_id"]
        elif kind == "agent_state_snapshot":
            describe(agents[message["agent_id"]], message["state"])
        elif kind == "agent_turn_result":
            shown[message["turn_id"]] = {
                str(tag["tag_id"]): tag["presented_chars"]
                for tag in message.get("tags", []) if "presented_chars" in tag}
        elif kind == "tool_results" and not is_raw(name, message, seen):
            agent = agents[message["agent_id"]]
            agent["follow_up"] = message.get("follow_up", True)
            agent["tools"] = {result["name"]: result for result in message["results"]}
        if kind not in AUTOMATIC or is_raw(name, message, seen):
            steps.append({"after": heard, "do": call(name, message, seen), "message": message,
                          "options": options(message)})
        seen.add(message.get("event_id", ""))
    return made | {"heard": heard}


def call(name: str, message: Message, seen: set[str]) -> str:
    """Which call of the addon's a line comes from."""
    if is_raw(name, message, seen):
        return "send"
    return {"interaction_event": "interact", "notification_event": "notify_event",
            "cancel_turn": "cancel"}[message["type"]]


def options(message: Message) -> Message:
    """What of an event has no parameter of its own."""
    own = {"type", "agent_id", "text", "actor", "data"}
    if message["type"] == "interaction_event":
        own.add("event_id")
    return {key: value for key, value in message.items() if key not in own}


def describe(agent: Message, state: Message) -> None:
    """Puts a state into the form in which the scene sets up its agent: what has a place in the
    inspector, and what only a script can add."""
    state = dict(state)
    agent["situations"].append(state.pop("prompt_parts", []))
    if any("contains" in tag for tag in state.get("tags", [])):
        agent["own"]["tags"] = state.pop("tags")
    for field in ("name", "character_id", "world_id", "tags", "history_turns"):
        if field in state:
            agent[field] = state.pop(field)
    agent["own"] |= state


class Stage:
    """Plays the server's lines to whoever connects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.lines = lines(name)
        self.position = 0
        self.ids: dict[str, str] = {}
        self.faults: list[str] = []
        self.over = threading.Event()

    def play(self, connection: ServerConnection) -> None:
        """Goes on where the last connection ended."""
        greeted = False
        try:
            while self.position < len(self.lines):
                who, message = self.lines[self.position]
                if who == "server":
                    connection.send(json.dumps(self.named_here(message)))
                elif message["type"] == "hello" and greeted:
                    # In the transcript the connection is lost here.
                    self.settle(connection)
                    connection.socket.shutdown(socket.SHUT_RDWR)
                    return
                else:
                    self.compare(self.hear(connection, message), message)
                    greeted = True
                self.position += 1
            self.over.set()
            self.close(connection)
            while True:
                self.answer(connection, json.loads(connection.recv(timeout=20)))
        except (ConnectionClosed, OSError):
            return

    def close(self, connection: ServerConnection) -> None:
        """As the server does where a transcript ends with it."""
        code = {"session_taken.jsonl": 4009, "shutdown.jsonl": 1001}.get(self.name)
        if code:
            self.settle(connection)
            connection.close(code)

    def settle(self, connection: ServerConnection) -> None:
        """Waits until the game has read everything. The engine drops what it reads together with
        the end of the connection."""
        assert connection.ping().wait(8), "the game doesn't read"

    def hear(self, connection: ServerConnection, expected: Message) -> Message:
        """The game's next message. Pings and reports may come that the transcript leaves out."""
        while True:
            message = json.loads(connection.recv(timeout=8))
            about = (message["type"], message.get("turn_id"))
            is_extra = message["type"] in ("ping", "agent_turn_result") and about != (
                expected["type"], expected.get("turn_id"))
            if not is_extra:
                return message
            self.answer(connection, message)

    def answer(self, connection: ServerConnection, message: Message) -> None:
        if message["type"] == "ping":
            connection.send(json.dumps({"type": "pong", "nonce": message["nonce"],
                                        "server_time": 0}))
        elif message["type"] == "agent_turn_result":
            connection.send(json.dumps({"type": "stored", "in_reply_to": message["message_id"],
                                        "turn_id": message["turn_id"]}))
        elif message["type"] != "cancel_turn":
            # An agent that leaves, here at the scene's end, cancels what it waited for.
            self.faults.append(f"not in the transcript: {message}")

    def named_here(self, message: Message) -> Message:
        """A line of the server's with the ids that the game has given."""
        def here(value: Any) -> Any:
            if isinstance(value, list):
                return [here(each) for each in value]
            return self.ids.get(value, value) if isinstance(value, str) else value
        return {key: here(value) if key in ("event_id", "event_ids", "by_event_id", "in_reply_to",
                                            "session_id", "nonce") else value
                for key, value in message.items()}

    def compare(self, got: Message, wanted: Message) -> None:
        for field in ("event_id", "message_id", "session_id"):
            if field in wanted and field in got:
                self.ids.setdefault(wanted[field], got[field])
        got, wanted = self.normal(got, wanted), self.normal(wanted, wanted)
        if got != wanted:
            self.faults.append(f"line {self.position + 1}:\n  the game sent {got}\n"
                               f"  the transcript has {wanted}")

    def normal(self, message: Message, wanted: Message) -> Message:
        """A message without what may differ."""
        may_differ = {field for field in DIFFERENCES if field not in wanted} | {"content", "nonce"}
        plain = {key: value for key, value in message.items() if key not in may_differ}
        for field in ("event_id", "message_id", "session_id"):
            if field in plain:
                plain[field] = self.ids.get(plain[field], plain[field])
        if "state" in plain:
            plain["state"] = dict(plain["state"])
            if "dossier" in plain["state"]:
                plain["state"]["dossier"] = headed(plain["state"]["dossier"])
            # An empty list of tags means the same as none, and what has no kind is an action.
            plain["state"]["tags"] = [{"kind": "action"} | tag
                                      for tag in plain["state"].get("tags", [])]
        if "results" in plain:
            plain["results"] = [{key: value for key, value in result.items()
                                 if key not in ("call_id",) and
                                 (key != "tag_id" or "call_id" not in wanted["results"][0])}
                                for result in plain["results"]]
        if "tags" in plain:
            plain["tags"] = [{key: value for key, value in tag.items() if key != "detail"}
                             for tag in plain["tags"]]
        elif message["type"] == "agent_turn_result":
            plain["tags"] = []
        if message["type"] == "agent_turn_result" and "tags" not in wanted:
            plain.pop("tags")
        return plain


PLAYED = sorted(path.name for path in EXAMPLES.glob("*.jsonl") if path.name not in LEFT_OUT)


@pytest.mark.parametrize("name", PLAYED)
def test_the_addon_plays_the_games_side(play, tmp_path, name):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan(name)))
    stage = Stage(name)
    with serve(stage.play, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        scene = play("transcript", f"ws://127.0.0.1:{port}/ws", plan=path, limit=12)
        with contextlib.suppress(AssertionError):
            scene.finished()
        server.shutdown()
    assert not stage.faults, "\n".join(stage.faults)
    scene.finished()
    assert stage.over.is_set(), f"it stopped at line {stage.position + 1}\n{scene.text()}"


def test_what_a_transcript_tells_the_game_reaches_its_signals(play, tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan("session_taken.jsonl")))
    stage = Stage("session_taken.jsonl")
    with serve(stage.play, "127.0.0.1", 0, compression=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.socket.getsockname()[1]
        scene = play("transcript", f"ws://127.0.0.1:{port}/ws", plan=path, limit=12).finished()
        server.shutdown()
    assert [turn["reason"] for turn in scene.told("interrupted")] == ["disconnected"]
    assert [drop["reason"] for drop in scene.told("dropped")] == ["disconnected"]
    assert [error["code"] for error in scene.told("failed")] == ["session_taken"]
    assert scene.told("state_at_end") == [{"state": "OFFLINE"}]


def test_every_exception_is_one():
    """What is excused can be found in the transcripts."""
    for name, kind, about in RAW:
        fitting = [message for who, message in lines(name) if who == "game"
                   and message["type"] == kind
                   and about in (message.get("turn_id"), message.get("event_id"), None)]
        assert fitting, (name, kind, about)
    assert set(LEFT_OUT) <= {path.name for path in EXAMPLES.glob("*.jsonl")}
