"""A client that also holds the server to the protocol's promises, whatever a test is about."""

from typing import Any

from client import Game, Message, Turn


class Broken(AssertionError):
    """The server broke a promise of the protocol."""


def hold(promise: bool, what: str, message: Message) -> None:
    if not promise:
        raise Broken(f"{what}: {message}")


class StrictGame(Game):
    """Checks every message against what came before it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._next_seq: dict[str, int] = {}
        self._open_tags: dict[str, list[int]] = {}

    async def on_message(self, message: Message) -> None:
        hold(None not in message.values(), "what is absent is left out", message)
        if "seq" in message:
            self._check_turn(message)
        elif message["type"] == "event_dropped" and message["reason"] != "duplicate":
            self._check_fate(message["event_id"], message)
        await super().on_message(message)

    def _check_turn(self, message: Message) -> None:
        turn_id = message["turn_id"]
        if message["type"] == "agent_turn_started":
            self._check_start(message)
        else:
            turn = self.turns.get(turn_id)
            hold(turn is not None, "a turn begins with agent_turn_started", message)
            hold(turn.end is None, "nothing follows a turn's end", message)
        hold(message["seq"] == self._next_seq.get(turn_id, 0), "seq has no gaps", message)
        self._next_seq[turn_id] = message["seq"] + 1
        self._check_tags(message, self._open_tags.setdefault(turn_id, []))

    def _check_start(self, message: Message) -> None:
        hold(message["turn_id"] not in self.turns, "a turn starts once", message)
        running = [turn for turn in self.turns.values()
                   if turn.agent_id == message["agent_id"] and turn.end is None]
        hold(not running, "an agent has one open turn", message)
        for event_id in message["event_ids"]:
            self._check_fate(event_id, message)

    def _check_fate(self, event_id: str, message: Message) -> None:
        # One that was dropped may have been sent again.
        fate = self.fate_of(event_id)
        answered = isinstance(fate, Turn) and fate.agent_id == message["agent_id"]
        hold(not answered, "an event has one fate", message)

    def _check_tags(self, message: Message, opened: list[int]) -> None:
        match message["type"]:
            case "agent_tag_open":
                known = len(self.turns[message["turn_id"]].tags)
                hold(message["tag_id"] == known, "tags are counted from 0", message)
                parent = opened[-1] if opened else None
                hold(message.get("parent_id") == parent, "parent_id is the tag around", message)
                hold(message["kind"] in ("speech", "action", "tool"), "a kind is shown", message)
                opened.append(message["tag_id"])
            case "agent_tag_chunk":
                hold(message["tag_id"] in opened, "text stands in an open tag", message)
                hold(message["text"] != "", "a chunk has text", message)
            case "agent_tag_close":
                hold(opened[-1:] == [message["tag_id"]], "the last opened closes first", message)
                opened.pop()
            case "agent_turn_finished" | "agent_turn_interrupted":
                hold(not opened, "all tags are closed before the end", message)


async def settled(game: Game, turn: Turn) -> None:
    """Waits until the agent of this turn has dealt with everything that was sent before: it answers
    in order, and a repeated event with a word."""
    event_id = turn.started["event_ids"][0]
    seen = len(game.messages)
    await game.event(turn.agent_id, "?", event_id=event_id)
    await game.until(lambda: any(
        m["type"] == "event_dropped" and m["event_id"] == event_id
        for m in game.messages[seen:]))
