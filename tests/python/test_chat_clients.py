"""The two example clients, run as the programs that they are."""

import asyncio
import contextlib
import re
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from client import PATIENCE
from house import Server
from talk import EXAMPLES, play


PROGRAMS = {
    "chat.py": [sys.executable, str(EXAMPLES / "chat.py")],
    "chat.mjs": ["/usr/bin/env", "node", "--experimental-websocket", str(EXAMPLES / "chat.mjs")],
}


class Terminal:
    """An example client as a process."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.child = child
        self.shown = ""

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, program: str, server: Server, *options: str) -> AsyncIterator["Terminal"]:
        pipe = asyncio.subprocess.PIPE
        child = await asyncio.create_subprocess_exec(
            *PROGRAMS[program], f"{server.url}/rpc", *options,
            stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.STDOUT,
            # Where these tests run in the background, Ctrl-C would be ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        try:
            yield cls(child)
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()

    async def until(self, text: str) -> None:
        """Waits until this is shown."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.shown:
                data = await self.child.stdout.read(65536)
                assert data, f"it ended without {text!r}: {self.shown}"
                self.shown += data.decode()

    def type(self, text: str) -> None:
        self.child.stdin.write(text.encode())

    async def ended(self, text: str = "") -> int:
        """Types the last lines, and waits for its end; gives the exit code."""
        self.type(text)
        async with asyncio.timeout(PATIENCE):
            self.child.stdin.close()
            self.shown += (await self.child.stdout.read()).decode()
            return await self.child.wait()


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_client_holds_a_conversation_from_a_pipe(house, program):
    server = play(house, token="sesame+?")
    stage = ("--token=sesame+?", "--client=Wren & co", "--world=mill", "--character=bob")
    async with Terminal.open(program, server, *stage) as terminal:
        lines = ("Hello", "", "Count, soon", "/wrold", '{"a": 1}', "/rules add short")
        assert await terminal.ended("\n".join(lines)) == 0
        for part in ("mill: The Mill", "ann: Ann", "The door of the mill stands open.",
                     "Did you mean /world"):
            assert part in terminal.shown
        replies = re.findall(r"^(?:Well met\.|One and two\.)$", terminal.shown, re.MULTILINE)
        assert replies == ["Well met.", "One and two.", "Well met."]
        assert terminal.shown.index("One and two.") < terminal.shown.index("Did you mean")
    async with Terminal.open(program, server, *stage[:2]) as terminal:
        assert await terminal.ended("And again\n") == 0
        told = terminal.shown[terminal.shown.index("✓ Continued session"):]
        for part in ("Count, soon", "One and two.", '{"a": 1}'):
            assert part in told, "the history of the session that was left"


@pytest.mark.parametrize("program", PROGRAMS)
async def test_ctrl_c_cancels_an_example_clients_reply_and_not_the_client(house, program):
    server = play(house)
    async with Terminal.open(program, server, "--world=bare", "--character=bob") as terminal:
        terminal.type("Tell me a tale\n")
        await terminal.until("Once there was a miller,")
        terminal.child.send_signal(signal.SIGINT)
        await terminal.until("✗ Stream cancelled by user.")
        assert await terminal.ended("Hello\n") == 0
        assert terminal.shown.rstrip().endswith("Well met.") and "a cat" not in terminal.shown


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_client_says_why_it_is_not_let_in(house, program):
    async with Terminal.open(program, play(house, token="sesame")) as terminal:
        assert await terminal.ended("Hello\n") == 1
        assert "unauthorized" in terminal.shown


@pytest.mark.parametrize("program", PROGRAMS)
async def test_an_example_client_ends_with_the_server(house, program):
    server = play(house)
    async with Terminal.open(program, server, "--world=bare", "--character=bob") as terminal:
        terminal.type("Tell me a tale\n")
        await terminal.until("Once there was a miller,")
        server.kill()
        assert await terminal.ended("Hello\n") == 1
        assert "The connection failed" in terminal.shown
