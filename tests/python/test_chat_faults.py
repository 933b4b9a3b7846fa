"""What goes wrong at the roleplay door, and what is said of it."""

import asyncio
import contextlib
import json
import re
from urllib.parse import quote, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from client import PATIENCE
from talk import Chat, SCRIPT, Wire, play, serve


@pytest.mark.parametrize("message", [
    "{}", '{"prompt":3}', '{"prompt":null}', '{"sender":"Wren"}', '{"prompt":["Hello"]}', "", "   ",
    '{"prompt":""}', b"Hello", b'{"prompt":"Hello"}', '{"prompt":"Hello","sender":7}',
    '{"prompt":"Hello","sender":"[Wren]"}', json.dumps({"prompt": "Hello", "sender": "W" * 81}),
])
async def test_a_bad_message_is_answered_with_an_error_and_the_connection_goes_on(house, message):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        code, sentence = await chat.faulty(message)
        assert code == "invalid_message" and sentence
        assert await chat.say("Hello") == "Well met."


@pytest.mark.parametrize("command, nearest", [
    ("/wrold select mill", "/world select"), ("/world selct mill", "/world select"),
    ("/sesion new", "/session new"), ("/session contine x", "/session continue"),
    ("/cancl", "/cancel"), ("/hepl", "/help"), ("/rule add short", "/rules add"),
    ("/modle x", "/model"), ("/nswf", "/nsfw"),
])
async def test_an_unknown_command_is_told_the_nearest(house, command, nearest):
    async with Chat.connect(play(house)) as chat:
        code, sentence = await chat.faulty(command)
        assert code == "unknown_command" and nearest in sentence
        await chat.done("/world select mill")


async def test_an_id_that_isnt_there_is_answered_with_those_that_are(house):
    async with Chat.connect(play(house)) as chat:
        sentence = await chat.refused("/world select ../mill")
        assert "mill" in sentence and "bare" in sentence
        assert "bob" in await chat.refused("/character select nobody")
        await chat.refused("/session continue nowhere")
        await chat.refused("/session delete nowhere")
        assert chat.state["world_id"] == ""


async def test_a_message_that_is_too_long_is_refused_and_a_much_longer_one_ends_it(house):
    async with Chat.connect(play(house, max_message_bytes=4096)) as chat:
        await chat.stage()
        assert (await chat.faulty("x" * 5000))[0] == "too_large"
        assert await chat.say("x" * 4096) == "Well met."
        with contextlib.suppress(ConnectionClosed):
            await chat.send("x" * (4096 + 2 * 1024 * 1024))
        assert await chat.closed() == 1009


async def test_too_many_messages_in_a_second_are_refused_with_how_long_to_wait(house):
    async with Chat.connect(play(house, max_events_per_second=5)) as chat:
        for _ in range(20):
            await chat.send("/help")
        refused = [frame for frame in [await chat.read() for _ in range(20)]
                   if frame.event == "error"]
        assert 10 <= len(refused) < 20
        for frame in refused:
            assert frame.metadata["code"] == "rate_limited"
            assert re.search(r"\d", frame.content), frame


@pytest.mark.parametrize("query", ["?client=", f"?client={'x' * 257}", f"?client={'%C3%BC' * 129}"])
async def test_an_unusable_client_name_is_answered_with_an_error(house, query):
    async with Chat.connect(play(house), query, greeted=False) as chat:
        assert (await chat.until("error")).metadata["code"] == "invalid_message"
        await chat.until("sync_state")
        await chat.stage()
        assert await chat.say("Hello") == "Well met."


async def test_the_token_comes_in_the_header_or_in_the_address(house):
    server = play(house, token="open-sesame/42+?")
    header = {"Authorization": "Bearer open-sesame/42+?"}
    async with Chat.connect(server, additional_headers=header) as chat:
        await chat.stage()
    query = f"?token={quote('open-sesame/42+?', safe='')}&client=wren"
    async with Chat.connect(server, query) as chat:
        await chat.stage()
    async with Chat.connect(server, query) as chat:
        assert chat.state["session_id"], "the name counts beside the token"
    for query, headers in (("", {}), ("?token=nope", {}), ("", {"Authorization": "Bearer nope"})):
        async with Chat.connect(server, query, False, additional_headers=headers) as chat:
            assert await chat.closed() == 4001
            assert [f.metadata.get("code") for f in chat.frames] == ["unauthorized"]


async def test_web_pages_come_from_the_servers_own_host_or_from_the_list(house):
    server = play(house, origins="https://my.example")
    for origin in ("https://my.example", f"http://{urlsplit(server.url).netloc}"):
        async with Chat.connect(server, origin=origin) as chat:
            await chat.stage()
    async with Chat.connect(server, greeted=False, origin="https://evil.example") as chat:
        assert await chat.closed() == 4001
        assert [f.metadata.get("code") for f in chat.frames] == ["unauthorized"]


async def test_one_connection_too_many_is_refused(house):
    server = play(house, max_connections=1)
    async with Chat.connect(server) as chat:
        async with Chat.connect(server, greeted=False) as other:
            assert await other.closed() == 4029
            assert other.frames[0].metadata["code"] == "overloaded"
        await chat.stage()


@pytest.mark.parametrize("fault, code", [
    ("401", "provider_auth"), ("402", "provider_auth"), ("403-moderation", "provider_refused"),
    ("429:1", "provider_rate_limited"), ("500", "provider_error"), ("html", "provider_error"),
])
async def test_a_failing_provider_is_told_and_the_turn_ends(house, fault, code):
    server = serve(house, house.model(SCRIPT, f"--fault={fault}"))
    async with Chat.connect(server) as chat:
        await chat.stage()
        assert await chat.say("Hello") == ""
        assert [f.metadata["code"] for f in chat.frames if f.event == "error"] == [code]
        assert chat.events[-2:] == ["error", "chat_end"]


async def test_a_provider_that_fails_midway_leaves_what_came(house):
    server = serve(house, house.model(SCRIPT, "--fault=error-in-stream*1"))
    async with Chat.connect(server) as chat:
        session = await chat.stage()
        words = await chat.say("Hello")
        assert words and "Well met.".startswith(words)
        assert [f.metadata["code"] for f in chat.frames if f.event == "error"] == ["provider_error"]
        history = await chat.history(f"/session continue {session}")
        assert history[0] == ("user", "Hello") and history[1][1].startswith(words)
        assert await chat.say("Again") == "Well met."


async def test_a_model_whose_provider_has_no_key_is_answered_with_the_setting(house):
    async with Chat.connect(serve(house, None)) as chat:
        await chat.done("/model deepseek-chat")
        await chat.stage()
        assert "DEEPSEEK_API_KEY" in await chat.refused("Hello")
        await chat.next("chat_end")


async def test_a_queue_that_is_full_is_told_and_the_turn_ends(house):
    server = play(house, max_requests=1, max_queued_requests=0)
    async with Chat.connect(server) as one, Chat.connect(server) as other:
        await one.stage()
        await other.stage()
        await one.begun("Tell me a tale", "Once there was a miller,")
        assert await other.say("Hello") == ""
        assert other.events[-2:] == ["error", "chat_end"]
        assert other.frames[-2].metadata["code"] == "overloaded"


async def test_a_client_that_is_slow_loses_nothing(house):
    count = 40_000
    script = f"rules: [{{ reply: '{'flour ' * count}' }}]"
    async with Wire.tapped(house.model(script, rate=5_000_000)) as wire:
        async with Chat.connect(serve(house, wire.url)) as chat:
            await chat.stage()
            chat.socket.transport.pause_reading()
            await chat.send("Hello")
            async with asyncio.timeout(PATIENCE):
                await wire.answered.wait()
            chat.socket.transport.resume_reading()
            assert (await chat.reply()).split() == ["flour"] * count
            pieces = [frame.content for frame in chat.frames if frame.event == "chat_chunk"]
            assert max(map(len, pieces)) > 1000, "what waited comes in larger pieces"
