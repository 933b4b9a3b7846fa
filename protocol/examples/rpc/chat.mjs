// A client for the roleplay door, as an example: it knows `protocol/rpc.md` and no more, and needs
// no package. `Chat` works in browsers too; below it stands a terminal around it:
//
//     node chat.mjs --world drowned_lantern --character oswin
//
// (Node 20: `node --experimental-websocket chat.mjs …`.) What you type goes to the server: words for
// the character, or a command such as `/help`. Ctrl-C stops the reply under way; where none is, it
// ends the client. Lines from a pipe are sent one after the other, each after the answer to the one
// before.

// Errors about the message itself: no reply has begun, and no `chat_end` will come.
const REFUSALS = ["invalid_message", "unknown_command", "too_large", "rate_limited"];
// Where these succeed, `chat_history` comes last.
const WITH_HISTORY = /^\/session (new|continue)/;

/** One connection. `show(event, content, metadata)` is called for each frame. */
export class Chat {
  constructor(url, show) {
    this.show = show;
    /** What the last `sync_state` said. */
    this.state = undefined;
    /** What is being answered; empty: nothing was sent yet. */
    this.line = "";
    this.socket = new WebSocket(url);
    this.ready = this.#answer();
    // Some WebSockets tell of an address where nobody listens with an `error` alone.
    this.ended = new Promise((resolve) => {
      for (const kind of ["close", "error"]) this.socket.addEventListener(kind, resolve);
    });
    this.ended.then(({ code, reason }) => this.failed(Error(reason || code || "nobody answers")));
    this.socket.addEventListener("message", ({ data }) => this.#read(JSON.parse(data)));
  }

  /** Sends a line. The promise is kept when its answer has been shown. */
  async ask(line) {
    this.line = line;
    const answer = this.#answer();
    this.#send(line);
    await answer;
  }

  /** Stops the reply under way, if one is; then its `chat_end` comes. */
  cancel() {
    if (this.waiting) this.#send("/cancel");
    return this.waiting;
  }

  #answer() {
    this.waiting = true;
    const answer = new Promise((resolve, reject) => {
      this.answered = resolve;
      this.failed = reject;
      if (this.socket.readyState > WebSocket.OPEN) reject(new Error("the server closed it"));
    });
    answer.finally(() => { this.waiting = false; }).catch(() => {});
    return answer;
  }

  #send(line) {
    // In this form whatever is typed is taken as it is, even if it looks like JSON.
    this.socket.send(JSON.stringify({ prompt: line }));
  }

  #read({ event, payload: { content, metadata } }) {
    this.show(event, content, metadata);
    if (event === "sync_state") this.state = metadata;
    if (this.#isLast(event, content, metadata)) this.answered();
  }

  /** Whether a frame completes the answer to what was sent last. */
  #isLast(event, content, metadata) {
    if (!this.line) return event === "sync_state";
    if (!this.line.startsWith("/")) return event === "chat_end" || REFUSALS.includes(metadata.code);
    if (WITH_HISTORY.test(this.line) && content.startsWith("✓")) return false;
    return ["system_update", "chat_history", "error"].includes(event);
  }
}

/** Prints a frame for a reader. Events that it doesn't know are passed over. */
function print(event, content, metadata) {
  const line = ({ role, content }) => `${role === "user" ? "< " : ""}${content}\n`;
  const shown = {
    system_update: () => `${content}\n`,
    chat_history: () => metadata.history.map(line).join(""),
    chat_chunk: () => content,
    chat_end: () => "\n",
    error: () => `! ${content} (${metadata.code})\n`,
  };
  process.stdout.write(shown[event]?.() ?? "");
}

/** Prints what there is to choose from, and how. */
function printChoices(state) {
  const kinds = [["worlds", "/world select"], ["characters", "/character select"],
    ["sessions", "/session continue"]];
  for (const [kind, command] of kinds) {
    console.log(`${kind} (${command} ID):`);
    for (const { id, name } of state[`available_${kind}`]) console.log(`  ${id}: ${name}`);
  }
  console.log("Then /session new begins to talk. /help names all commands.");
}

/** The commands for what the arguments ask for; else for the session that was left last. */
function beginning(state, { world, character, session }) {
  const wanted = session || (!world && state.session_id);
  if (wanted) return [`/session continue ${wanted}`];
  const chosen = [`/world select ${world}`, `/character select ${character}`];
  return world && character ? [...chosen, "/session new"] : [];
}

async function terminal() {
  const { parseArgs } = await import("node:util");
  const { createInterface } = await import("node:readline");
  const options = Object.fromEntries(
    ["token", "client", "world", "character", "session"].map((name) => [name, { type: "string" }]));
  if (!globalThis.WebSocket) throw new Error("no WebSocket: node --experimental-websocket, or Node 22");
  process.stdout.on("error", () => process.exit(1)); // nobody reads what is printed
  const { values: wanted, positionals } = parseArgs({ options, allowPositionals: true });
  const url = new URL(positionals[0] ?? "ws://127.0.0.1:8000/ws/rpc");
  // A browser's WebSocket sends no headers, so the token goes into the address.
  for (const name of ["token", "client"]) if (wanted[name]) url.searchParams.set(name, wanted[name]);

  const chat = new Chat(url, print);
  await chat.ready;
  printChoices(chat.state);
  for (const command of beginning(chat.state, wanted)) await chat.ask(command);

  const { stdin, stdout } = process;
  const lines = createInterface({ input: stdin, output: stdout, terminal: stdin.isTTY });
  const interrupted = () => chat.cancel() || lines.close();
  lines.on("SIGINT", interrupted);
  process.on("SIGINT", interrupted);
  chat.ended.then(() => lines.close());
  if (stdin.isTTY) lines.prompt();
  for await (const line of lines) {
    if (line.trim()) await chat.ask(line.trim());
    if (stdin.isTTY && !lines.closed) lines.prompt();
  }
  if (chat.socket.readyState !== WebSocket.OPEN) throw new Error("the server closed it");
  chat.socket.close();
}

if (globalThis.process?.argv[1]?.endsWith("chat.mjs")) {
  terminal().catch((error) => {
    console.error(`The connection failed: ${error.message}`);
    process.exitCode = 1;
  });
}
