"""The roleplay door, as `protocol/rpc.md` promises it: how things stand, and conversations."""


from talk import Chat, SCRIPT, STATE_KEYS, ids, play, serve, tapped


# What comes first, and how things stand.


async def test_sync_state_has_its_keys_in_the_order_of_the_page(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage()
        await chat.say("Hello")
        await chat.until("sync_state")
        states = [frame for frame in chat.frames if frame.event == "sync_state"]
        assert len(states) == 5
        for frame in states:
            places = [frame.raw.find(f'"{key}":') for key in STATE_KEYS]
            assert -1 not in places and places == sorted(places), frame
            assert list(frame.metadata) == STATE_KEYS
            assert frame.content == "State synchronized"


async def test_at_first_nothing_is_chosen_and_everything_is_offered(house):
    server = play(house)
    async with Chat.connect(server) as chat:
        state = chat.state
        assert (state["model"], state["model_confirmed"]) == ("some/model", False)
        assert [state[f"{kind}_id"] for kind in ("world", "character", "session")] == [""] * 3
        assert {"id": "mill", "name": "The Mill"} in state["available_worlds"]
        assert sorted(ids(state["available_characters"])) == ["ann", "bob"]
        assert sorted(ids(state["available_rules"])) == ["nsfw", "short"]
        assert state["active_rules"] == state["available_sessions"] == []
        chat_model = next(m for m in state["available_models"] if m["id"] == "deepseek-chat")
        assert chat_model["name"].startswith("[DeepSeek] ")
        assert list(chat_model) == ["id", "name", "prompt_price", "completion_price"]


async def test_any_subprotocol_is_accepted(house):
    async with Chat.connect(play(house), subprotocols=["chat", "other"]) as chat:
        assert chat.socket.subprotocol in ("chat", "other")


# Conversations.


async def test_a_conversation_from_the_choice_to_the_deletion(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        assert (await chat.done("/world select mill"))["world_id"] == "mill"
        assert chat.frames[-2].metadata == {"world_id": "mill"}
        assert (await chat.done("/character select bob"))["character_id"] == "bob"
        assert chat.frames[-2].metadata == {"character_id": "bob"}
        start = [("assistant", "The door of the mill stands open.")]
        assert await chat.history("/session new") == start
        session = chat.state["session_id"]
        assert session and chat.frames[-3].metadata == {"session_id": session}
        assert ids(chat.state["available_sessions"]) == [session]

        assert await chat.say("Good evening, whoever is here!") == "Well met."
        assert (await chat.next("sync_state")).metadata["available_sessions"] == [
            {"id": session, "name": "[The Mill] Bob: Good evening, whoever is here!"}]
        assert await chat.say("Is it rye?") == "Well met."

        async with Chat.connect(server) as other:
            said = [*start, ("user", "Good evening, whoever is here!"), ("assistant", "Well met."),
                    ("user", "Is it rye?"), ("assistant", "Well met.")]
            assert await other.history(f"/session continue {session}") == said
            chosen = [other.state[f"{kind}_id"] for kind in ("world", "character", "session")]
            assert chosen == ["mill", "bob", session]
            await other.say("And wheat?")
            assert "Is it rye?" in wire.said()

        state = await chat.done(f"/session delete {session}")
        assert (state["session_id"], state["available_sessions"]) == ("", [])
        assert session in await chat.refused(f"/session continue {session}")
        assert session in await chat.refused(f"/session delete {session}")
        assert (await chat.refused("Hello?")).startswith("✗ Prepare the stage first")
        await chat.next("chat_end")


async def test_a_session_in_a_world_without_a_start_message_begins_with_nothing(house):
    async with Chat.connect(play(house)) as chat:
        await chat.stage("bare")
        assert chat.frames[-1].metadata == {"history": []}


async def test_a_reply_streams_with_its_model_its_pace_and_its_end(house):
    server = serve(house, house.model(SCRIPT, rate=100))
    async with Chat.connect(server) as chat:
        await chat.stage("mill")
        assert await chat.say("Hello") == "Well met."
        chunks = [frame for frame in chat.frames if frame.event == "chat_chunk"]
        assert len(chunks) > 1
        for chunk in chunks:
            assert list(chunk.metadata) == ["model", "tokens_per_second", "world_id"]
            assert (chunk.metadata["model"], chunk.metadata["world_id"]) == ("some/model", "mill")
        paces = [chunk.metadata["tokens_per_second"] for chunk in chunks]
        assert paces[0] == 0 and all(pace > 0 for pace in paces[1:])
        assert paces == [round(pace, 2) for pace in paces]
        end = chat.frames[-1].metadata
        assert end["total_tokens"] == end["usage"]["output_tokens"] > 0
        assert end["usage"]["input_tokens"] > 0


async def test_reasoning_is_no_part_of_the_reply(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        await chat.stage()
        assert await chat.say("Please ponder it.") == "It is rye."
        await chat.say("Hm.")
        assert "Who asks?" not in wire.said()


async def test_a_prompt_before_the_stage_is_prepared_is_refused_and_ends(house):
    sentence = "✗ Prepare the stage first (World, Char, Session)."
    async with Chat.connect(play(house)) as chat:
        for step in ("/world select mill", "/character select bob", "/session new", None):
            if step is None:
                assert await chat.say("Hello") == "Well met."
                break
            assert await chat.refused("Hello") == sentence
            assert (await chat.next("chat_end")).metadata["total_tokens"] == 0
            if step != "/session new":
                await chat.refused("/session new")
                await chat.done(step)
            else:
                assert await chat.history(step) == [
                    ("assistant", "The door of the mill stands open.")], "nothing was stored"


async def test_several_people_talk_to_one_character(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        session = await chat.stage()
        await chat.say("Hello", sender="Wren")
        await chat.say("Me too!", sender="Mira" * 20, mood="ignored")
        assert "[Wren]: Hello" in wire.said() and f"[{'Mira' * 20}]: Me too!" in wire.said()
        history = await chat.history(f"/session continue {session}")
        assert history[0] == ("user", "[Wren]: Hello")


async def test_the_model_is_told_world_character_rules_scene_and_history(house):
    async with tapped(house) as (server, wire), Chat.connect(server) as chat:
        await chat.stage("mill")
        await chat.done("/rules add short")
        await chat.say("Good evening!")
        (role, system), *rest = wire.messages()
        assert role == "system"
        for part in ("Nobody here has ever seen the sea.", "You are Bob and grind rye."):
            assert part in system
        assert system.index("### UNIVERSAL LAWS ###") < system.index("Answer in one sentence.")
        role, said = rest[-1]
        assert role == "user" and said.index("### CURRENT CONTEXT ###") < said.index("wheel turns")
        assert said.index("wheel turns") < said.index("Good evening!")

        await chat.done("/rules clear")
        for number in range(10):
            await chat.say(f"Sack number {number}")
        (_, system), *rest = wire.messages()
        assert "Answer in one sentence." not in system and "wheel turns" not in wire.said()
        assert [role for role, _ in rest] == ["user", "assistant"] * 5 + ["user"]
        assert [said for role, said in rest[:-1] if role == "user"] == [
            f"Sack number {number}" for number in range(4, 9)]
        assert rest[-1][1].endswith("Sack number 9")


async def test_what_the_history_no_longer_shows_is_remembered(house):
    async with tapped(house, history_messages=2) as (server, wire), Chat.connect(server) as chat:
        await chat.stage()
        await chat.say("My sister Hildegard lives in Saltmere.")
        await chat.say("It rains.")
        await chat.say("It still rains.")
        assert "Hildegard" not in wire.said()
        await chat.say("Where does Hildegard live?")
        assert "lives in Saltmere" in wire.said()
        # In another session nobody has heard of her.
        await chat.history("/session new")
        await chat.say("Where does Hildegard live?")
        assert "Saltmere" not in wire.said()


async def test_continuing_shows_the_last_fifty_messages(house):
    async with Chat.connect(play(house)) as chat:
        session = await chat.stage("mill")
        for number in range(27):
            await chat.say(f"Sack number {number}")
        history = await chat.history(f"/session continue {session}")
        assert len(history) == 50
        assert history[0] == ("user", "Sack number 2") and history[-2] == ("user", "Sack number 26")


async def test_the_fifteen_sessions_spoken_in_last_are_listed_with_their_titles(house):
    async with Chat.connect(play(house)) as chat:
        sessions = [await chat.stage() for _ in range(16)]
        listed = ids(chat.state["available_sessions"])
        assert listed == sessions[:0:-1]
        await chat.history(f"/session continue {sessions[1]}")
        await chat.say("This title has more than thirty letters, hasn't it?")
        first = (await chat.until("sync_state")).metadata["available_sessions"][0]
        assert first == {"id": sessions[1],
                         "name": f"[Bare] Bob: {'This title has more than thirty letters'[:30]}"}
        await chat.send("/session list")
        named = (await chat.next("system_update")).content
        assert sessions[1] in named and sessions[0] not in named
