"""What a connection of the roleplay door chooses, what is added to its worlds, and what others see of it."""

import subprocess
from urllib.parse import quote


from house import BINARY
from talk import Chat, SCRIPT, ids, play, serve, tapped


# What a connection chooses.


async def test_two_connections_have_their_own_state(house):
    async with tapped(house) as (server, wire):
        async with Chat.connect(server) as one, Chat.connect(server) as other:
            await one.stage("mill", "bob")
            await one.done("/rules add short")
            await one.done("/model scripted/actor")
            await other.stage("bare", "ann")
            assert (other.state["active_rules"], other.state["model_confirmed"]) == ([], False)
            await other.say("Hello")
            assert "keep bees" in wire.said() and "grind rye" not in wire.said()
            assert "Answer in one sentence." not in wire.said()
            assert (await one.done("/rules add nsfw"))["active_rules"] == ["short", "nsfw"]
            assert (one.state["world_id"], one.state["model"]) == ("mill", "scripted/actor")


async def test_a_client_with_a_name_finds_its_choices_again(house):
    model = house.model(SCRIPT)
    server = serve(house, model)
    name = quote("Wren's term & ünal", safe="")
    kinds = ("world_id", "character_id", "session_id", "active_rules", "model", "model_confirmed")
    async with Chat.connect(server, f"?client={name}") as chat:
        session = await chat.stage("mill", "ann")
        await chat.done("/rules add short")
        await chat.done("/model scripted/actor")
    for _ in range(2):
        async with Chat.connect(server, f"?client={name}") as chat:
            assert [chat.state[kind] for kind in kinds] == [
                "mill", "ann", session, ["short"], "scripted/actor", True]
            await chat.say("Hello again")
        for query in ("", "?client=somebody-else"):
            async with Chat.connect(server, query) as chat:
                assert [chat.state[kind] for kind in kinds[:4]] == ["", "", "", []]
        # The next time the server has been started anew.
        server.terminate()
        server = serve(house, model)


async def test_rules_are_switched_on_and_off_in_their_order(house):
    async with Chat.connect(play(house)) as chat:
        assert (await chat.done("/rules add short"))["active_rules"] == ["short"]
        assert chat.frames[-2].metadata == {"active_rules": ["short"]}
        assert (await chat.done("/nsfw"))["active_rules"] == ["short", "nsfw"]
        assert (await chat.done("/rules remove short"))["active_rules"] == ["nsfw"]
        assert (await chat.done("/nsfw"))["active_rules"] == []
        await chat.done("/rules add nsfw")
        assert (await chat.done("/rules clear"))["active_rules"] == []
        assert "short" in await chat.refused("/rules add nope")


async def test_a_session_comes_back_with_its_model(house):
    server = play(house)
    async with Chat.connect(server) as chat:
        await chat.done("/model scripted/actor")
        assert chat.frames[-2].metadata == {"model": "scripted/actor", "model_confirmed": True}
        session = await chat.stage()
        await chat.say("Hello")
    async with Chat.connect(server) as chat:
        assert chat.state["model"] == "some/model"
        await chat.history(f"/session continue {session}")
        assert chat.state["model"] == "scripted/actor"


async def test_a_model_is_chosen_from_the_list_and_the_local_server(house):
    model = house.model(SCRIPT)
    async with Chat.connect(serve(house, model, local_base=model)) as chat:
        for wanted in ("local/qwen", *ids(chat.state["available_models"]), "some/model"):
            assert (await chat.done(f"/model {wanted}"))["model"] == wanted
            assert chat.frames[-2].content == f"✓ Hot-swapped model to {wanted}"
        await chat.refused("/model unheard/of")


async def test_the_settings_may_keep_a_local_server_s_models_out(house):
    model = house.model(SCRIPT)
    async with Chat.connect(serve(house, model, local_base=model, models="other/*")) as chat:
        await chat.refused("/model local/qwen")


async def test_a_model_that_the_settings_name_can_be_chosen(house):
    async with Chat.connect(play(house, models="other/*")) as chat:
        assert (await chat.done("/model other/thing"))["model_confirmed"]
        await chat.refused("/model unheard/of")
        await chat.stage()
        await chat.say("Hello")
        chunk = next(frame for frame in chat.frames if frame.event == "chat_chunk")
        assert chunk.metadata["model"] == "other/thing"


# Lore and assets.


async def test_attached_lore_is_found_from_the_next_turn_on_and_for_good(house):
    async with tapped(house) as (server, wire):
        async with Chat.connect(server) as chat:
            await chat.stage("mill")
            await chat.say("What is the cat called?")
            assert "Bartholomew" not in wire.said()
            await chat.done("/world attach_lore The miller's cat is called Bartholomew.")
            await chat.say("What is the cat called?")
            assert "Bartholomew" in wire.messages()[-1][1]
        server.terminate()
        server = serve(house, wire.url)
        async with Chat.connect(server) as chat:
            await chat.stage("mill", "ann")
            await chat.say("What is the cat called?")
            assert "Bartholomew" in wire.said(), "in another session, after a restart"
            await chat.stage("bare")
            await chat.say("What is the cat called?")
            assert "Bartholomew" not in wire.said(), "not in another world"


async def test_lore_needs_a_world_and_has_a_limit(house):
    async with Chat.connect(play(house)) as chat:
        await chat.refused("/world attach_lore The cat is grey.")
        await chat.done("/world select mill")
        await chat.done("/world attach_lore " + "x" * (256 * 1024))
        await chat.refused("/world attach_lore " + "x" * (256 * 1024 + 1))


async def test_a_folder_of_assets_is_read_again_but_none_outside(house):
    server = play(house)
    (house.folder / "outside").mkdir()
    (house.folder / "assets" / "link").symlink_to(house.folder / "outside")
    async with Chat.connect(server) as chat:
        (house.folder / "assets/worlds/sea.yaml").write_text("{ id: sea, name: The Sea }")
        assert "sea" in ids((await chat.done("/world sync_folder worlds"))["available_worlds"])
        await chat.done("/world select sea")
        for path in ("..", "../outside", "worlds/../..", str(house.folder / "outside"), "/", "link"):
            await chat.refused(f"/world sync_folder {path}")


# What others see.


async def test_who_is_in_a_session_that_another_deleted_is_told_so(house):
    server = play(house)
    async with Chat.connect(server) as one, Chat.connect(server) as other:
        session = await one.stage()
        await one.say("Hello")
        await other.done(f"/session delete {session}")
        await one.refused("Are you there?")
        await one.next("chat_end")


async def test_the_logs_tell_what_a_reply_was_made_from(house):
    async with Chat.connect(play(house)) as chat:
        session = await chat.stage("mill")
        await chat.say("Who built this mill?")
    house.processes[-1].terminate()
    told = subprocess.run([BINARY, "logs", "prompt", session], cwd=house.folder, text=True,
                          capture_output=True, check=True).stdout
    for part in ("You are Bob and grind rye.", "Gunnhild", "Who built this mill?"):
        assert part in told
