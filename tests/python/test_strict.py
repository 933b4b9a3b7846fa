"""The strict client notices what it is there to notice."""

import pytest

from strict import Broken, StrictGame


def of_turn(what, seq, turn_id="t1", **fields):
    return {"type": f"agent_{what}", "agent_id": "g", "turn_id": turn_id, "seq": seq, **fields}


def started(turn_id="t1", event_ids=("e1",)):
    return of_turn("turn_started", 0, turn_id, event_ids=list(event_ids))


def opened(seq, tag_id, **fields):
    return of_turn("tag_open", seq, tag_id=tag_id, tag="speech", kind="speech", attributes={},
                   **fields)


def closed(seq, tag_id):
    return of_turn("tag_close", seq, tag_id=tag_id, tag="speech", complete=True)


@pytest.mark.parametrize(("messages", "promise"), [
    ([started(), of_turn("turn_finished", 2)], "seq has no gaps"),
    ([of_turn("turn_finished", 0)], "a turn begins"),
    ([started(), of_turn("turn_finished", 1), of_turn("turn_finished", 2)], "nothing follows"),
    ([started(), started("t2", ["e2"])], "one open turn"),
    ([started(), of_turn("turn_finished", 1), started("t2")], "one fate"),
    ([started(), {"type": "event_dropped", "agent_id": "g", "event_id": "e1", "reason": "drop"}],
     "one fate"),
    ([started(), opened(1, 1)], "tags are counted"),
    ([started(), opened(1, 0), opened(2, 1)], "parent_id"),
    ([started(), opened(1, 0), opened(2, 1, parent_id=0), closed(3, 0)], "last opened"),
    ([started(), of_turn("tag_chunk", 1, tag_id=0, text="x")], "open tag"),
    ([started(), opened(1, 0), of_turn("turn_finished", 2)], "all tags are closed"),
    ([{"type": "pong", "nonce": None}], "left out"),
])
async def test_a_broken_promise_is_noticed(messages, promise):
    game = StrictGame(None)
    for message in messages[:-1]:
        await game.on_message(message)
    with pytest.raises(Broken, match=promise):
        await game.on_message(messages[-1])


async def test_a_turn_as_it_should_be_is_not():
    game = StrictGame(None)
    for message in [started(), opened(1, 0), of_turn("tag_chunk", 2, tag_id=0, text="x"),
                    closed(3, 0), of_turn("turn_finished", 4), started("t2", ["e2"])]:
        await game.on_message(message)
    assert game.turns["t1"].speech == "x"
