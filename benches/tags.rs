//! How fast the tag parser is, as ratios to two plain ways of doing the same on one core.
//!
//! ```text
//! cargo bench --bench tags
//! ```
//!
//! - *byte loop*: a state machine that looks at one byte after the other and knows nothing but
//!   `<name>` and `</name>`, the least that gives the same events for clean text;
//! - *rescan*: reads the whole reply so far again at each piece, and gives what is new.
//!
//! Each way runs in turn, many times; the table shows each one's fastest pass, since other work on
//! the machine only slows, and the parser's ratio to each way. At least 1.0 to the byte loop is asked for at pieces of 4 bytes, 1.5 at longer ones, and
//! 4 for prose there; speed must not depend on the reply's length. With a number as argument
//! (`cargo bench --bench tags -- 3`) each measurement takes that many times as long.

#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dramatis::tags::{End, Event, Kind, Options, Parser, TagDef, Vocabulary};

/// What a reader of tags tells: the sum of it shows that all read the same.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    opens: usize,
    closes: usize,
    text: usize,
}

impl Tally {
    #[inline]
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Open { tag, .. } => self.opens += tag.name.len(),
            Event::Chunk { text, .. } => self.text += black_box(text).len(),
            Event::Close { tag, .. } => self.closes += tag.name.len(),
        }
    }
}

type Read = fn(&Arc<Vocabulary>, &[u8], usize) -> Tally;

fn by_parser(vocabulary: &Arc<Vocabulary>, input: &[u8], piece: usize) -> Tally {
    let mut tally = Tally::default();
    let mut parser = Parser::new(vocabulary.clone(), Options::default());
    for bytes in input.chunks(piece) {
        parser.feed(black_box(bytes), &mut |event| tally.event(event));
    }
    parser.finish(End::Model, &mut |event| tally.event(event));
    tally
}

/// The byte loop: text goes out at each piece's end and before each tag.
struct ByteLoop<'v> {
    vocabulary: &'v Vocabulary,
    in_tag: bool,
    closing: bool,
    name: Vec<u8>,
    text: Vec<u8>,
    open: Vec<(u32, &'v TagDef)>,
    next_id: u32,
}

impl<'v> ByteLoop<'v> {
    fn new(vocabulary: &'v Vocabulary) -> Self {
        let (name, text, open) = (Vec::new(), Vec::new(), Vec::new());
        Self { vocabulary, in_tag: false, closing: false, name, text, open, next_id: 0 }
    }

    fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Event<'_>)) {
        for &byte in bytes {
            match byte {
                b'<' => {
                    self.send(sink);
                    self.in_tag = true;
                    self.closing = false;
                    self.name.clear();
                }
                b'/' if self.in_tag && self.name.is_empty() => self.closing = true,
                b'>' if self.in_tag => {
                    self.in_tag = false;
                    self.tag(sink);
                }
                _ if self.in_tag => self.name.push(byte),
                _ => self.text.push(byte),
            }
        }
        self.send(sink);
    }

    fn tag(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        let name = std::str::from_utf8(&self.name).unwrap_or_default();
        if self.closing {
            if let Some((tag_id, tag)) =
                self.open.pop_if(|(_, tag)| tag.name.eq_ignore_ascii_case(name))
            {
                sink(Event::Close { tag_id, tag, complete: true });
            }
            return;
        }
        if let Some(tag) = self.vocabulary.find(name) {
            let (tag_id, parent_id) = (self.next_id, self.open.last().map(|open| open.0));
            self.next_id += 1;
            self.open.push((tag_id, tag));
            sink(Event::Open { tag_id, parent_id, tag, attributes: &[] });
        }
    }

    fn send(&mut self, sink: &mut impl FnMut(Event<'_>)) {
        if let Some(&(tag_id, _)) = self.open.last()
            && !self.text.is_empty()
            && let Ok(text) = std::str::from_utf8(&self.text)
        {
            sink(Event::Chunk { tag_id, text });
        }
        self.text.clear();
    }
}

fn by_byte_loop(vocabulary: &Arc<Vocabulary>, input: &[u8], piece: usize) -> Tally {
    let mut tally = Tally::default();
    let mut parser = ByteLoop::new(vocabulary);
    for bytes in input.chunks(piece) {
        parser.feed(black_box(bytes), &mut |event| tally.event(event));
    }
    tally
}

/// Reads all that has come at each piece; what was told before is left out.
fn by_rescan(vocabulary: &Arc<Vocabulary>, input: &[u8], piece: usize) -> Tally {
    let mut told = Tally::default();
    let mut length = 0;
    for bytes in input.chunks(piece) {
        length += bytes.len();
        let mut tally = Tally::default();
        let mut parser = ByteLoop::new(vocabulary);
        parser.feed(black_box(&input[..length]), &mut |event| tally.event(event));
        told = tally;
    }
    told
}

fn vocabulary() -> Arc<Vocabulary> {
    let names = [("speech", Kind::Speech), ("action", Kind::Action), ("emotion", Kind::Action)];
    let tags = names.map(|(name, kind)| TagDef::new(name, kind));
    Arc::new(Vocabulary::new(tags.into()).expect("the names are possible"))
}

/// About one tag for 30 bytes.
fn tag_heavy(length: usize) -> String {
    let turn = "<emotion>joy</emotion><speech>Well met, traveller! What brings you here?</speech>\
                <action>points at the rack</action><speech>Look.</speech>";
    turn.repeat(length / turn.len() + 1)
}

/// One speech tag around plain text.
fn prose(length: usize) -> String {
    let sentence = "The road goes on over the hills, past the mill where nobody lives any more. ";
    format!("<speech>{}The end.</speech>", sentence.repeat(length / sentence.len() + 1))
}

/// Bytes per second of the fastest pass that fits into `time`.
fn speed(
    read: Read,
    vocabulary: &Arc<Vocabulary>,
    input: &str,
    piece: usize,
    time: Duration,
) -> f64 {
    let start = Instant::now();
    let mut fastest = Duration::MAX;
    while start.elapsed() < time {
        let pass = Instant::now();
        black_box(read(vocabulary, input.as_bytes(), piece));
        fastest = fastest.min(pass.elapsed());
    }
    input.len() as f64 / fastest.as_secs_f64()
}

/// The best speeds of several ways, run in turn: other work on the machine only ever slows a pass.
fn best(
    ways: &[(Read, &str)],
    vocabulary: &Arc<Vocabulary>,
    piece: usize,
    time: Duration,
) -> Vec<f64> {
    let mut speeds = vec![0.0_f64; ways.len()];
    for _ in 0..60 {
        for ((read, input), best) in ways.iter().zip(&mut speeds) {
            *best = best.max(speed(*read, vocabulary, input, piece, time));
        }
    }
    speeds
}

fn main() {
    let scale = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1);
    let time = Duration::from_millis(3) * scale;
    let vocabulary = vocabulary();
    println!(
        "text       piece   parser  byte loop   ratio    rescan     ratio     (MB/s, 256 KiB; rescan: 4 KiB)"
    );
    for (name, make) in [("tag-heavy", tag_heavy as fn(usize) -> String), ("prose", prose)] {
        let (long, short) = (make(256 * 1024), make(4 * 1024));
        for piece in [4, 64, 64 * 1024] {
            let expected = by_byte_loop(&vocabulary, long.as_bytes(), piece);
            assert_eq!(by_parser(&vocabulary, long.as_bytes(), piece), expected);
            let ways: [(Read, &str); 4] = [
                (by_parser, &long),
                (by_byte_loop, &long),
                (by_parser, &short),
                (by_rescan, &short),
            ];
            let speeds = best(&ways, &vocabulary, piece, time);
            let mega = |way: usize| speeds[way] / 1e6;
            println!(
                "{name:<10} {piece:>5} {:>8.0} {:>10.0} {:>7.2} {:>9.1} {:>9.1}",
                mega(0),
                mega(1),
                speeds[0] / speeds[1],
                mega(3),
                speeds[2] / speeds[3],
            );
        }
    }
    println!(
        "\nreply      piece    10 KB     1 MB   ratio                                  (MB/s)"
    );
    for (name, make) in [("tag-heavy", tag_heavy as fn(usize) -> String), ("prose", prose)] {
        let (short, long) = (make(10_000), make(1_000_000));
        for piece in [4, 64] {
            let speeds = best(&[(by_parser, &short), (by_parser, &long)], &vocabulary, piece, time);
            let (short, long) = (speeds[0], speeds[1]);
            println!(
                "{name:<10} {piece:>5} {:>8.0} {:>8.0} {:>7.2}",
                short / 1e6,
                long / 1e6,
                long / short
            );
        }
    }
}
