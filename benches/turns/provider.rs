//! A provider whose replies are made beforehand: what is left to do is to set the time into a piece
//! and to write it. It lives on a thread of its own beside the games'.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, bail};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::figures::now_us;

/// Stands before each time in a piece.
pub const MARK: u8 = b'~';

/// The digits of a time in microseconds since 1970.
pub const DIGITS: usize = 16;

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
    cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n";

/// How a reply goes.
#[derive(Debug, Clone, Copy)]
pub enum Replies {
    /// A piece each `every`, with the time of its writing, without end.
    Paced { every: Duration },
    /// Pieces with their times, as fast as they are taken, each written by itself.
    Flood { pieces: usize },
    /// A whole reply of short words in one write.
    AtOnce { pieces: usize },
}

/// A running provider; it ends with this value.
pub struct Provider {
    pub address: SocketAddr,
    asked: Times,
    closed: Times,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

/// When something happened, by the number that the request carried.
type Times = Arc<Mutex<HashMap<u64, u64>>>;

impl Provider {
    /// Starts a provider that answers everything so.
    pub fn start(replies: Replies) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (asked, closed) = (Times::default(), Times::default());
        let stop = CancellationToken::new();
        let served = (Arc::clone(&asked), Arc::clone(&closed), stop.clone());
        let thread = std::thread::Builder::new().name("provider".to_owned()).spawn(move || {
            runtime.block_on(async move {
                let (asked, closed, stop) = served;
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                let mut connections = JoinSet::new();
                let reply = Arc::new(Reply::new(replies));
                while let Some(Ok((socket, _))) = stop.run_until_cancelled(listener.accept()).await
                {
                    let _ = socket.set_nodelay(true);
                    let connection = Connection { socket, read: Vec::new() };
                    let times = (Arc::clone(&asked), Arc::clone(&closed));
                    connections.spawn(serve(connection, Arc::clone(&reply), times));
                }
            });
        })?;
        Ok(Self { address, asked, closed, stop, thread: Some(thread) })
    }

    /// When a request had arrived.
    pub fn asked(&self, number: u64) -> Option<u64> {
        times(&self.asked).get(&number).copied()
    }

    /// When the connection of a reply was closed, if it was before the reply's end.
    pub fn closed(&self, number: u64) -> Option<u64> {
        times(&self.closed).get(&number).copied()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn times(times: &Times) -> MutexGuard<'_, HashMap<u64, u64>> {
    times.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves requests until the other side closes.
async fn serve(mut connection: Connection, reply: Arc<Reply>, (asked, closed): (Times, Times)) {
    while let Ok(number) = connection.request().await {
        times(&asked).insert(number, now_us());
        match reply.send(&mut connection.socket).await {
            Ok(()) => {}
            Err(_) => {
                times(&closed).insert(number, now_us());
                return;
            }
        }
    }
}

struct Connection {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Connection {
    /// Reads a request; gives the number that stands last in it, as `[[number]]`.
    async fn request(&mut self) -> anyhow::Result<u64> {
        self.read.clear();
        let (head, length) = loop {
            if self.socket.read_buf(&mut self.read).await? == 0 {
                bail!("closed");
            }
            if let Some(end) = memmem::find(&self.read, b"\r\n\r\n") {
                let head = self.read.get(..end).unwrap_or_default();
                break (end + 4, content_length(head)?);
            }
        };
        while self.read.len() < head + length {
            if self.socket.read_buf(&mut self.read).await? == 0 {
                bail!("closed");
            }
        }
        let begin = memmem::rfind(&self.read, b"[[").map_or(0, |at| at + 2);
        let digits = self.read.iter().skip(begin).take_while(|byte| byte.is_ascii_digit());
        Ok(digits.fold(0, |number, digit| number * 10 + u64::from(digit - b'0')))
    }
}

fn content_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?.to_ascii_lowercase();
    let value = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    Ok(value.context("a request without content-length")?.trim().parse()?)
}

/// The reply, made once.
struct Reply {
    replies: Replies,
    first: Vec<u8>,
    piece: Vec<u8>,
    /// Where the time stands in `piece`.
    time_at: usize,
    last: Vec<u8>,
    whole: Vec<u8>,
}

impl Reply {
    fn new(replies: Replies) -> Self {
        let time = format!("{}{}", char::from(MARK), "0".repeat(DIGITS));
        let piece = chunk(&time, "null");
        let time_at = memmem::find(&piece, time.as_bytes()).map_or(0, |at| at + 1);
        let first = [HEAD, &chunk("<speech>", "null")].concat();
        let last = [chunk("</speech>", "null"), chunk("", "\"stop\""), end()].concat();
        let mut whole = first.clone();
        if let Replies::AtOnce { pieces } = replies {
            (0..pieces.saturating_sub(2)).for_each(|_| whole.extend(chunk(" well", "null")));
            whole.extend(&last);
        }
        Self { replies, first, piece, time_at, last, whole }
    }

    /// Sends it; fails when the other side closes before its end.
    async fn send(&self, socket: &mut TcpStream) -> anyhow::Result<()> {
        match self.replies {
            Replies::AtOnce { .. } => socket.write_all(&self.whole).await?,
            Replies::Flood { pieces } => {
                socket.write_all(&self.first).await?;
                let mut piece = self.piece.clone();
                for _ in 0..pieces {
                    self.set_time(&mut piece);
                    socket.write_all(&piece).await?;
                }
                socket.write_all(&self.last).await?;
            }
            Replies::Paced { every } => {
                socket.write_all(&self.first).await?;
                self.send_paced(socket, every).await?;
            }
        }
        Ok(())
    }

    async fn send_paced(&self, socket: &mut TcpStream, every: Duration) -> anyhow::Result<()> {
        let mut piece = self.piece.clone();
        let mut unread = [0_u8; 64];
        let mut ticks = interval_at(Instant::now() + every, every);
        // A provider that was held up doesn't make up for it with a burst.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                read = socket.read(&mut unread) => bail!("{} bytes in the middle of a reply", read?),
                _ = ticks.tick() => {}
            }
            self.set_time(&mut piece);
            socket.write_all(&piece).await?;
        }
    }

    fn set_time(&self, piece: &mut [u8]) {
        let mut rest = now_us();
        for digit in piece.iter_mut().skip(self.time_at).take(DIGITS).rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
    }
}

/// One event in an HTTP chunk of its own, with all that big providers put around a token.
fn chunk(text: &str, reason: &str) -> Vec<u8> {
    let data = format!(
        "data: {{\"id\":\"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\"object\":\"chat.completion.chunk\",\
         \"created\":1741569952,\"model\":\"bench\",\"service_tier\":\"default\",\
         \"system_fingerprint\":\"fp_06737a9306\",\"choices\":[{{\"index\":0,\"delta\":\
         {{\"content\":\"{text}\"}},\"logprobs\":null,\"finish_reason\":{reason}}}]}}\n\n"
    );
    http_chunk(&data)
}

fn end() -> Vec<u8> {
    let usage =
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":900,\"completion_tokens\":20}}\n\n";
    [http_chunk(usage), http_chunk("data: [DONE]\n\n"), b"0\r\n\r\n".to_vec()].concat()
}

fn http_chunk(data: &str) -> Vec<u8> {
    format!("{:x}\r\n{data}\r\n", data.len()).into_bytes()
}
