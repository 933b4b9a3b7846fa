"""Who is let in."""

import pytest

from client import Game
from strict import StrictGame

SCRIPT = "rules: [{ reply: \"<speech>Yes.</speech>\" }]"
TOKEN = "open-sesame/42+?"


async def served(game: Game) -> bool:
    event = await game.event("guard", "Hello", state={"name": "Brann"})
    turn = await game.ended(await game.fate(event))
    return turn.speech == "Yes."


async def refused(game: Game) -> bool:
    code, _ = await game.closed()
    return code == 4001 and [m.get("code") for m in game.messages] == ["unauthorized"]


async def test_the_right_token_is_served_from_each_place(house):
    server = house.play(SCRIPT, token=TOKEN)
    async with StrictGame.connect(server.url, token=TOKEN) as game:
        assert await served(game)
    async with StrictGame.connect(server.url, token=TOKEN, say_hello=False) as game:
        assert await served(game)
    query = server.url + "?token=open-sesame%2F42%2B%3F"
    async with StrictGame.connect(query, say_hello=False) as game:
        assert await served(game)
    async with StrictGame.connect(server.url, say_hello=False) as game:
        await game.send("hello", token=TOKEN)
        await game.expect("welcome")
        assert await served(game)


async def test_a_wrong_token_is_refused_in_each_place(house):
    server = house.play(SCRIPT, token=TOKEN)
    async with StrictGame.connect(server.url, token="nope", say_hello=False) as game:
        assert await refused(game)
    async with StrictGame.connect(server.url + "?token=nope", say_hello=False) as game:
        assert await refused(game)
    async with StrictGame.connect(server.url, say_hello=False) as game:
        await game.send("hello", token="nope")
        assert await refused(game)


@pytest.mark.parametrize("first", [
    '{"type":"ping"}', '{"type":"hello"}', "{", '{"type":"dance"}',
    '{"type":"interaction_event","agent_id":"g","text":"x","state":{"name":"B"}}',
])
async def test_nothing_is_served_before_the_token(house, first):
    server = house.play(SCRIPT, token=TOKEN)
    async with StrictGame.connect(server.url, say_hello=False) as game:
        await game.socket.send(first)
        assert await refused(game)


async def test_the_token_must_come_in_time(house):
    server = house.play(SCRIPT, token=TOKEN, hello_timeout_ms=200)
    async with StrictGame.connect(server.url, say_hello=False) as game:
        assert await refused(game)
    # Who has shown it in the handshake may be silent.
    async with StrictGame.connect(server.url, token=TOKEN, say_hello=False) as quiet, \
            StrictGame.connect(server.url, say_hello=False) as late:
        assert await refused(late)
        assert await served(quiet)


async def test_one_connection_too_many(house):
    server = house.play(SCRIPT, max_connections=1)
    async with StrictGame.connect(server.url) as game:
        async with StrictGame.connect(server.url, say_hello=False) as other:
            assert (await other.closed())[0] == 4029
        assert await served(game)


async def test_any_subprotocol_is_accepted(house):
    from websockets.asyncio.client import connect
    server = house.play(SCRIPT)
    async with connect(server.url, subprotocols=["game", "other"], proxy=None) as socket:
        assert socket.subprotocol in ("game", "other")
