"""What may happen while a reply streams, and what becomes of it at the server's end."""

import asyncio

from client import PATIENCE
from talk import SCRIPT, Chat, ids, play, serve, tapped


# While a reply streams.


async def test_a_cancelled_reply_ends_at_once_and_what_came_is_kept(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        session = await chat.stage()
        await chat.begun("Tell me a tale", "Once there was a miller,")
        await chat.send("/cancel")
        assert (await chat.next("system_update")).content == "✗ Stream cancelled by user."
        await chat.next("chat_end")
        async with asyncio.timeout(PATIENCE):
            await wire.dropped.wait()
        assert await chat.say("Go on") == "Well met."
        assert "Once there was a miller," in wire.said() and "a cat" not in wire.said()
        history = await chat.history(f"/session continue {session}")
        assert history[1][0] == "assistant"
        assert history[1][1].startswith("Once there was a miller,")
        assert await chat.refused("/cancel") == "✗ Nothing is running."


async def test_each_cancel_is_answered_even_one_that_meets_the_replys_end(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        for number in range(100):
            seen = len(chat.frames)
            await chat.begun("Hello", "Well met.")
            await chat.send("/cancel")
            await chat.send("/help")
            await chat.until("system_update", lambda frame: frame.content.startswith("✓"))
            events = chat.events[seen:]
            while "chat_end" not in events:
                events.append((await chat.read()).event)
            assert events.count("chat_end") == 1, chat.frames[seen:]
            assert events.count("system_update") == 2, (
                f"the cancel number {number} has no answer: {chat.frames[seen:]}")


async def test_a_prompt_sent_while_a_reply_streams_waits_and_a_second_one_is_refused(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        await chat.stage()
        await chat.begun("Count, soon", "One")
        await chat.send("And then?")
        await chat.send("Well?")
        assert (await chat.until("system_update")).content.startswith("✗")
        assert "chat_end" not in chat.events
        assert await chat.reply() == " and two."
        assert await chat.reply() == "Well met."
        assert "One and two." in wire.said() and "And then?" in wire.said()
        assert "Well?" not in wire.said()
        assert len(wire.requests) == 2 and chat.events.count("chat_end") == 2


async def test_commands_are_answered_while_a_reply_streams(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        await chat.begun("Tell me a tale", "Once there was a miller,")
        assert (await chat.done("/rules add short"))["active_rules"] == ["short"]
        await chat.send("/help")
        told = (await chat.next("system_update")).content
        assert "/session continue" in told and "/cancel" in told
        await chat.send("/cancel")
        assert await chat.reply() == ""


async def test_a_session_answers_one_prompt_at_a_time(house):
    server = play(house)
    async with Chat.connect(server) as one, Chat.connect(server) as other:
        session = await one.stage()
        await one.begun("Tell me a tale", "Once there was a miller,")
        await other.history(f"/session continue {session}")
        await other.refused("Me too!")
        await other.next("chat_end")
        await one.send("/cancel")
        await one.reply()
        assert await other.say("And now?") == "Well met."
        said = await other.history(f"/session continue {session}")
        assert [text for role, text in said if role == "user"] == ["Tell me a tale", "And now?"]


async def test_a_client_that_leaves_cancels_its_reply(house):
    async with tapped(house) as (server, wire):
        async with Chat.connect(server) as chat:
            session = await chat.stage()
            await chat.begun("Tell me a tale", "Once there was a miller,")
            chat.socket.transport.abort()
            async with asyncio.timeout(PATIENCE):
                await wire.dropped.wait()
        async with Chat.connect(server) as chat:
            await chat.history(f"/session continue {session}")
            assert await chat.say("Go on") == "Well met."
            assert "Once there was a miller," in wire.said()


# The server's end.


async def test_after_a_kill_midway_the_session_is_there_with_what_was_said(house):
    model = house.model(SCRIPT)
    server = serve(house, model)
    async with Chat.connect(server, "?client=wren") as chat:
        session = await chat.stage("mill")
        await chat.say("My name is Wren.")
        await chat.say("I bring rye.")
        await chat.begun("Tell me a tale", "Once there was a miller,")
        server.kill()
        assert await chat.closed() in (None, 1006)

    server = serve(house, model)
    async with Chat.connect(server, "?client=wren") as chat:
        assert chat.state["session_id"] == session
        assert ids(chat.state["available_sessions"]) == [session]
        history = await chat.history(f"/session continue {session}")
        assert history[:6] == [
            ("assistant", "The door of the mill stands open."), ("user", "My name is Wren."),
            ("assistant", "Well met."), ("user", "I bring rye."), ("assistant", "Well met."),
            ("user", "Tell me a tale")]
        assert await chat.say("Where were we?") == "Well met."


async def test_a_shutdown_says_goodbye_and_keeps_the_reply_so_far(house):
    model = house.model(SCRIPT)
    server = serve(house, model)
    async with Chat.connect(server) as chat:
        session = await chat.stage()
        await chat.begun("Tell me a tale", "Once there was a miller,")
        assert await asyncio.to_thread(server.terminate) == 0
        assert await chat.closed() == 1001
        assert "shutdown" in [f.metadata["code"] for f in chat.frames if f.event == "error"]
        assert chat.events.count("chat_end") == 1
    async with Chat.connect(serve(house, model)) as chat:
        history = await chat.history(f"/session continue {session}")
        assert history[0] == ("user", "Tell me a tale")
        assert history[1][1].startswith("Once there was a miller,")
