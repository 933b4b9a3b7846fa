"""A terminal client for the roleplay door, as an example: it knows `protocol/rpc.md` and no more.

    pip install websockets
    python chat.py --world drowned_lantern --character oswin

What you type goes to the server: words for the character, or a command such as `/help`. Ctrl-C
stops the reply under way; where none is, it ends the client. Lines from a pipe are sent one after
the other, each after the answer to the one before.
"""

import argparse
import json
import sys
import threading
from urllib.parse import quote

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

# Errors about the message itself: no reply has begun, and no `chat_end` will come.
REFUSALS = ("invalid_message", "unknown_command", "too_large", "rate_limited")
# Where these succeed, `chat_history` comes last.
WITH_HISTORY = ("/session new", "/session continue")


class Chat:
    """One connection. A thread shows what comes, while the program waits for it or for a line."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.state: dict = {}  # what the last `sync_state` said
        self.line = ""  # what is being answered; empty: nothing was sent yet
        self.end: ConnectionClosed | OSError | None = None
        self.answered = threading.Event()
        threading.Thread(target=self.read, daemon=True).start()

    def ask(self, line: str) -> None:
        """Sends a line, and waits until its answer has been shown."""
        self.line = line
        self.answered.clear()
        self.send(line)
        self.wait()

    def send(self, line: str) -> None:
        # In this form whatever is typed is taken as it is, even if it looks like JSON.
        self.socket.send(json.dumps({"prompt": line}))

    def wait(self) -> None:
        """Waits until an answer is complete. Ctrl-C stops the reply; its `chat_end` comes then."""
        while not self.answered.is_set():
            try:
                self.answered.wait()
            except KeyboardInterrupt:
                self.send("/cancel")
        if self.end:
            raise self.end

    def read(self) -> None:
        """Shows frame after frame, until the connection ends."""
        try:
            while True:
                frame = json.loads(self.socket.recv())
                payload = frame["payload"]
                message = frame["event"], payload["content"], payload["metadata"]
                self.show(*message)
                if self.is_last(*message):
                    self.answered.set()
        except (ConnectionClosed, OSError) as end:  # the latter: nobody reads what is printed
            self.end = end
            self.answered.set()

    def is_last(self, event: str, content: str, metadata: dict) -> bool:
        """Whether a frame completes the answer to what was sent last."""
        if not self.line:
            return event == "sync_state"
        if not self.line.startswith("/"):
            return event == "chat_end" or metadata.get("code") in REFUSALS
        if self.line.startswith(WITH_HISTORY) and content.startswith("✓"):
            return False
        return event in ("system_update", "chat_history", "error")

    def show(self, event: str, content: str, metadata: dict) -> None:
        """Prints a frame for a reader. Events that it doesn't know are passed over."""
        match event:
            case "system_update":
                print(content)
            case "sync_state":
                if not self.state:
                    show_choices(metadata)
                self.state = metadata
            case "chat_history":
                for message in metadata["history"]:
                    print("< " * (message["role"] == "user") + message["content"])
            case "chat_chunk":
                print(content, end="", flush=True)
            case "chat_end":
                print(flush=True)
            case "error":
                print(f"! {content} ({metadata['code']})")


def show_choices(state: dict) -> None:
    """Prints what there is to choose from, and how."""
    for kind, command in (("worlds", "/world select"), ("characters", "/character select"),
                          ("sessions", "/session continue")):
        print(f"{kind} ({command} ID):")
        for choice in state[f"available_{kind}"]:
            print(f"  {choice['id']}: {choice['name']}")
    print("Then /session new begins to talk. /help names all commands.")


def beginning(chat: Chat, wanted: argparse.Namespace) -> list[str]:
    """The commands for what the arguments ask for; else for the session that was left last."""
    if session := wanted.session or (not wanted.world and chat.state["session_id"]):
        return [f"/session continue {session}"]
    chosen = [f"/world select {wanted.world}", f"/character select {wanted.character}"]
    return [*chosen, "/session new"] if wanted.world and wanted.character else []


def main() -> None:
    parser = argparse.ArgumentParser(description="Talks to a character of a dramatis server.")
    parser.add_argument("url", nargs="?", default="ws://127.0.0.1:8000/ws/rpc")
    parser.add_argument("--token", help="the server's access token")
    parser.add_argument("--client", help="a name by which the server knows you again")
    parser.add_argument("--world", help="its id; with --character it begins a session")
    parser.add_argument("--character", help="the id of whom to talk to")
    parser.add_argument("--session", help="the id of a session to go on with")
    wanted = parser.parse_args()
    url = wanted.url
    if wanted.client:
        url += f"{'&' if '?' in url else '?'}client={quote(wanted.client, safe='')}"
    headers = {"Authorization": f"Bearer {wanted.token}"} if wanted.token else {}
    try:
        with connect(url, additional_headers=headers, max_size=None) as socket:
            chat = Chat(socket)
            chat.wait()
            for command in beginning(chat, wanted):
                chat.ask(command)
            while True:
                if line := input("> " if sys.stdin.isatty() else "").strip():
                    chat.ask(line)
    except (EOFError, KeyboardInterrupt):
        pass
    except (OSError, ConnectionClosed) as error:
        sys.exit(f"The connection failed: {error}")


if __name__ == "__main__":
    main()
