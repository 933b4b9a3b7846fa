//! A game with one agent, as small as it can be: it writes events, takes frames, and looks into
//! them only as far as the figures need. A full WebSocket client would take the provider's core.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{bail, ensure};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::figures::{Spread, now_us};
use super::provider::{DIGITS, MARK};
use super::subject::{Subject, Which};

const HANDSHAKE: &str = "HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// What somebody who chats does before the first prompt, and how many frames answer it.
const STAGE: [(&str, usize); 4] = [
    ("", 2),
    ("/world select drowned_lantern", 2),
    ("/character select oswin", 2),
    ("/session new", 3),
];

/// What all games count together.
#[derive(Default)]
pub struct Meter {
    on: AtomicBool,
    pieces: AtomicU64,
    turns: AtomicU64,
    latencies: Mutex<Vec<u64>>,
}

impl Meter {
    /// Begins a measurement.
    pub fn start(&self) {
        self.pieces.store(0, Ordering::Relaxed);
        self.turns.store(0, Ordering::Relaxed);
        self.on.store(true, Ordering::Relaxed);
    }

    /// Ends it: pieces, turns, latencies.
    pub fn stop(&self) -> (f64, f64, Spread) {
        self.on.store(false, Ordering::Relaxed);
        let samples = std::mem::take(&mut *self.latencies());
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed) as f64;
        (count(&self.pieces), count(&self.turns), Spread::of(samples))
    }

    /// Counts the pieces of a frame by the times in it.
    pub fn count(&self, frame: &[u8]) {
        if !self.on.load(Ordering::Relaxed) {
            return;
        }
        let now = now_us();
        let mut latencies = self.latencies();
        for at in memchr::memchr_iter(MARK, frame) {
            let Some(digits) = frame.get(at + 1..at + 1 + DIGITS) else { continue };
            let time = digits.iter().fold(0, |time, digit| time * 10 + u64::from(digit - b'0'));
            latencies.push(now.saturating_sub(time));
            self.pieces.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Turns so far.
    pub fn turns(&self) -> f64 {
        self.turns.load(Ordering::Relaxed) as f64
    }

    pub fn count_turn(&self) {
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    fn latencies(&self) -> std::sync::MutexGuard<'_, Vec<u64>> {
        self.latencies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A game's connection.
pub struct Game {
    socket: TcpStream,
    read: Vec<u8>,
    /// How much of `read` was handed out.
    taken: usize,
}

impl Game {
    /// Connects to a subject through its door, and gets ready.
    pub async fn begin(subject: &Subject) -> anyhow::Result<Self> {
        match subject.which {
            Which::Server | Which::Relay => Self::connect(subject.address).await,
            Which::Chats => Self::chat(subject.address).await,
        }
    }

    /// Connects as a game and shakes hands.
    pub async fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Self::at(address, "/ws").await
    }

    /// Connects as somebody who chats, and begins a session.
    async fn chat(address: SocketAddr) -> anyhow::Result<Self> {
        let mut client = Self::at(address, "/ws/rpc").await?;
        for (command, answers) in STAGE {
            if !command.is_empty() {
                client.send(command).await?;
            }
            for _ in 0..answers {
                let frame = client.next().await?;
                let failed = memmem::find(frame, "✗".as_bytes()).is_some();
                ensure!(!failed, "{command}: {}", String::from_utf8_lossy(frame));
            }
        }
        Ok(client)
    }

    async fn at(address: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let mut socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(format!("GET {path} {HANDSHAKE}").as_bytes()).await?;
        let mut read = Vec::with_capacity(4 * 1024);
        loop {
            ensure!(socket.read_buf(&mut read).await? > 0, "closed in the handshake");
            if let Some(end) = memmem::find(&read, b"\r\n\r\n") {
                ensure!(read.starts_with(b"HTTP/1.1 101"), "no WebSocket");
                return Ok(Self { socket, read, taken: end + 4 });
            }
        }
    }

    /// Sends a message. A mask of zeros leaves the text as it is, and is a mask.
    pub async fn send(&mut self, text: &str) -> anyhow::Result<()> {
        self.send_frame(0x81, text.as_bytes()).await
    }

    /// Confirms a turn, all of its one tag.
    pub async fn confirm(&mut self, agent: usize, turn: &str) -> anyhow::Result<()> {
        self.send(&format!(
            r#"{{"type":"agent_turn_result","agent_id":"agent-{agent}","turn_id":"{turn}","tags":[{{"tag_id":0,"outcome":"done"}}]}}"#
        ))
        .await
    }

    /// The next text frame.
    pub async fn next(&mut self) -> anyhow::Result<&[u8]> {
        loop {
            let Some((kind, begin, end)) = self.frame() else {
                self.read.drain(..self.taken);
                self.taken = 0;
                ensure!(self.socket.read_buf(&mut self.read).await? > 0, "the subject closed");
                continue;
            };
            self.taken = end;
            match kind {
                1 => return Ok(self.read.get(begin..end).unwrap_or_default()),
                9 => self.send_frame(0x8a, &[]).await?,
                8 => bail!("the subject closed the connection"),
                _ => {}
            }
        }
    }

    /// The next frame, if all of it is there: its kind, its payload's begin and end.
    fn frame(&self) -> Option<(u8, usize, usize)> {
        let at = self.taken;
        let kind = self.read.get(at)? & 0x0f;
        let (begin, length) = match self.read.get(at + 1)? {
            126 => {
                let length = [*self.read.get(at + 2)?, *self.read.get(at + 3)?];
                (at + 4, usize::from(u16::from_be_bytes(length)))
            }
            // No frame of the server's is that long.
            127 => return None,
            short => (at + 2, usize::from(*short)),
        };
        let end = begin + length;
        (self.read.len() >= end).then_some((kind, begin, end))
    }

    async fn send_frame(&mut self, kind: u8, payload: &[u8]) -> anyhow::Result<()> {
        let length = u16::try_from(payload.len())?;
        let mut frame = vec![kind];
        if length < 126 {
            frame.push(0x80 | u8::try_from(length)?);
        } else {
            frame.push(0x80 | 126);
            frame.extend(length.to_be_bytes());
        }
        frame.extend([0; 4]);
        frame.extend(payload);
        Ok(self.socket.write_all(&frame).await?)
    }
}

/// An event for agent `agent`, with the number that the provider will find in the request.
pub fn event(agent: usize, number: u64) -> String {
    format!(
        r#"{{"type":"interaction_event","agent_id":"agent-{agent}","event_id":"event-{number}","event_type":"player_speaks","text":"Have you seen my brother? [[{number}]]","actor":{{"id":"player","name":"Mira"}},"state":{{"name":"Bram","dossier":{{"Who":"A ferryman of sixty, slow to trust and quick to joke. He has rowed the same river all his life.","Wants":"To sell the boat before winter."}},"prompt_parts":[{{"title":"Scene","text":"The landing at dusk. Rain is coming; the last passengers have gone."}}]}}}}"#
    )
}

/// The same for an agent that has a world and a character, and more to remember than its history
/// shows. Each event asks for something else, with words that lore and earlier events have.
pub fn reminded_event(agent: usize, number: u64) -> String {
    let (one, other) = things(number);
    format!(
        r#"{{"type":"interaction_event","agent_id":"agent-{agent}","event_id":"event-{number}","event_type":"player_speaks","text":"What did I tell you of the {one} and the {other}, Oswin? [[{number}]]","actor":{{"id":"player","name":"Mira"}},"state":{{"name":"Oswin","world_id":"drowned_lantern","character_id":"oswin","history_turns":10,"prompt_parts":[{{"title":"Scene","text":"The landing at dusk. Rain is coming; the last passengers have gone."}}]}}}}"#
    )
}

/// The same as a prompt.
pub fn prompt(number: u64) -> String {
    format!("Have you seen my brother? [[{number}]]")
}

/// A prompt that asks for something else each time, with words that lore and earlier prompts have.
pub fn reminded_prompt(number: u64) -> String {
    let (one, other) = things(number);
    format!("What did I tell you of the {one} and the {other}, Oswin? [[{number}]]")
}

/// Two things of the sample world, others each time.
fn things(number: u64) -> (&'static str, &'static str) {
    let things = ["ferry", "bridge", "lantern", "river bell", "toll", "night boat", "big book"];
    let thing = |at: u64| things.iter().cycle().nth(usize::try_from(at % 7).unwrap_or(0));
    (thing(number).unwrap_or(&"ferry"), thing(number / 7).unwrap_or(&"toll"))
}

/// Whether a frame ends a turn by itself.
pub fn is_end(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"type":"agent_turn_finished""#)
        || frame.starts_with(br#"{"event":"chat_end""#)
        || memmem::find(frame, b"data: [DONE]").is_some()
}

/// Whether a frame says that a turn was cut.
pub fn is_interruption(frame: &[u8]) -> bool {
    frame.starts_with(br#"{"type":"agent_turn_interrupted""#)
}

/// The turn that a frame is about.
pub fn turn_id(frame: &[u8]) -> &str {
    let name = br#""turn_id":""#;
    let begin = memmem::find(frame, name).map_or(frame.len(), |at| at + name.len());
    let id = frame.get(begin..).unwrap_or_default();
    let id = id.split(|byte| *byte == b'"').next().unwrap_or_default();
    std::str::from_utf8(id).unwrap_or_default()
}
