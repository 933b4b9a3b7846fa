//! `dramatis parse`: shows what the tag parser makes of a text, as one JSON object a line.
//!
//! For whoever writes a vocabulary or wonders what became of a reply. The events are written as
//! soon as the parser gives them, so it can stand at the end of a pipe.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use serde_json::{Map, Value, json};

use crate::tags::{End, Event, Kind, Options, Parser, StrayText, TagDef, Vocabulary};
use crate::turn::vocabulary::vocabulary_from_wire;

/// How much is read at once where `--chunk` doesn't say.
const BLOCK: usize = 64 * 1024;

/// Show the events that a text of tags gives.
#[derive(Debug, Clone, Default, Args)]
pub struct ParseArgs {
    /// The tags by name: `speech` is said, `think` is hidden, every other is an action
    #[arg(long, value_delimiter = ',', value_name = "NAMES", conflicts_with = "tags_file")]
    pub tags: Vec<String>,
    /// The tags as the JSON list that a game sends
    #[arg(long, value_name = "FILE")]
    pub tags_file: Option<PathBuf>,
    /// Feed the parser this many bytes at a time
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub chunk: Option<u32>,
    /// Join neighbouring chunks of a tag
    #[arg(long)]
    pub merge: bool,
    /// What becomes of text outside every tag: `auto`, `drop` or a tag's name
    #[arg(long, value_name = "V", default_value = "auto")]
    pub stray_text: String,
    /// The text begins within reasoning and has only its closing half
    #[arg(long)]
    pub starts_in_reasoning: bool,
    /// End as an interruption does
    #[arg(long, conflicts_with = "truncated")]
    pub interrupt: bool,
    /// End as a limit of tokens does
    #[arg(long)]
    pub truncated: bool,
    /// The text; standard input if absent
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Runs the command: 0 for any text, 2 for a vocabulary that can't be used.
///
/// # Errors
/// If the text can't be read or the events can't be written.
pub fn run(args: &ParseArgs) -> anyhow::Result<ExitCode> {
    let vocabulary = match vocabulary(args) {
        Ok(vocabulary) => vocabulary,
        Err(error) => {
            writeln!(io::stderr(), "error: {error:#}")?;
            return Ok(ExitCode::from(2));
        }
    };
    let input: Box<dyn Read> = match &args.file {
        Some(path) => Box::new(open(path)?),
        None => Box::new(io::stdin().lock()),
    };
    match parse(args, vocabulary, input, BufWriter::new(io::stdout().lock())) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        result => {
            result.context("can't read the text or write its events")?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Reads `input` to its end and writes its events to `output`.
///
/// # Errors
/// If either fails.
pub fn parse(
    args: &ParseArgs,
    vocabulary: Vocabulary,
    mut input: impl Read,
    output: impl Write,
) -> io::Result<()> {
    let options = Options {
        stray_text: StrayText::from(args.stray_text.as_str()),
        starts_in_reasoning: args.starts_in_reasoning,
    };
    let mut parser = Parser::new(Arc::new(vocabulary), options);
    let mut lines = Lines { output, merge: args.merge, chunk: None, failed: None };
    let mut buffer = vec![0; args.chunk.map_or(BLOCK, |chunk| chunk as usize)];
    loop {
        let length = match args.chunk {
            Some(_) => read_full(&mut input, &mut buffer)?,
            None => read_some(&mut input, &mut buffer)?,
        };
        let Some(piece @ [_, ..]) = buffer.get(..length) else { break };
        parser.feed(piece, &mut |event| lines.event(event));
        lines.flush()?;
    }
    let end = match (args.interrupt, args.truncated) {
        (true, _) => End::Interruption,
        (_, true) => End::TokenLimit,
        _ => End::Model,
    };
    let summary = parser.finish(end, &mut |event| lines.event(event));
    let warnings: Map<String, Value> =
        summary.warnings.iter().map(|(name, count)| (name.to_owned(), count.into())).collect();
    lines.line(&json!({ "event": "end", "warnings": warnings }));
    lines.flush()
}

/// The vocabulary that the options ask for; the standard one if they don't.
///
/// # Errors
/// If it can't be read or used.
pub fn vocabulary(args: &ParseArgs) -> anyhow::Result<Vocabulary> {
    if let Some(path) = &args.tags_file {
        let mut json = String::new();
        open(path)?.read_to_string(&mut json)?;
        return read_vocabulary(&json).with_context(|| path.display().to_string());
    }
    if args.tags.is_empty() {
        return Ok(Vocabulary::standard());
    }
    let tag = |name: &String| {
        let name = name.trim();
        let kind = match name.to_ascii_lowercase().as_str() {
            "speech" => Kind::Speech,
            "think" => Kind::Hidden,
            _ => Kind::Action,
        };
        TagDef::new(name, kind)
    };
    Ok(Vocabulary::new(args.tags.iter().map(tag).collect())?)
}

/// Reads a vocabulary as a game sends it.
///
/// # Errors
/// If it is no list of tags, or a name is impossible.
pub fn read_vocabulary(json: &str) -> anyhow::Result<Vocabulary> {
    let mut tags: Value = serde_json::from_str(json)?;
    for value in tags.as_array_mut().into_iter().flatten() {
        let attributes = value.get_mut("attributes").and_then(Value::as_array_mut);
        for attribute in attributes.into_iter().flatten() {
            let values = attribute.get_mut("values").and_then(Value::as_array_mut);
            values.into_iter().flatten().for_each(number_to_text);
        }
    }
    let tags: Vec<dramatis_protocol::TagDefinition> = serde_json::from_value(tags)?;
    Ok(vocabulary_from_wire(&tags)?)
}

/// A whole number is read without a fraction.
fn number_to_text(value: &mut Value) {
    if let Value::Number(number) = value {
        let whole = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
        let text = whole.map_or_else(|| number.to_string(), |float| format!("{float:.0}"));
        *value = Value::String(text);
    }
}

fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| format!("can't open {}", path.display()))
}

fn read_some(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Fills the buffer, but for the end of the input.
fn read_full(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest @ [_, ..]) = buffer.get_mut(length..) {
        match read_some(input, rest)? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Writes events as lines. The parser's sink can't fail, so the first error is kept for `flush`.
struct Lines<W> {
    output: W,
    merge: bool,
    /// With `merge`: the chunk that may still grow.
    chunk: Option<(u32, String)>,
    failed: Option<io::Error>,
}

impl<W: Write> Lines<W> {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Open { tag_id, parent_id, tag, attributes } => {
                let attributes: Map<String, Value> = attributes
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.as_str().into()))
                    .collect();
                let mut line = Map::new();
                line.insert("event".into(), "open".into());
                line.insert("tag_id".into(), tag_id.into());
                line.extend(parent_id.map(|parent_id| ("parent_id".to_owned(), parent_id.into())));
                line.insert("tag".into(), (*tag.name).into());
                line.insert("attributes".into(), attributes.into());
                self.line(&line.into());
            }
            Event::Chunk { tag_id, text } => self.chunk(tag_id, text),
            Event::Close { tag_id, tag, complete } => self.line(
                &json!({ "event": "close", "tag_id": tag_id, "tag": &*tag.name, "complete": complete }),
            ),
        }
    }

    fn chunk(&mut self, tag_id: u32, text: &str) {
        match &mut self.chunk {
            Some((same, grown)) if *same == tag_id => grown.push_str(text),
            _ if self.merge => {
                self.end_chunk();
                self.chunk = Some((tag_id, text.to_owned()));
            }
            _ => self.write(&json!({ "event": "chunk", "tag_id": tag_id, "text": text })),
        }
    }

    fn end_chunk(&mut self) {
        if let Some((tag_id, text)) = self.chunk.take() {
            self.write(&json!({ "event": "chunk", "tag_id": tag_id, "text": text }));
        }
    }

    fn line(&mut self, line: &Value) {
        self.end_chunk();
        self.write(line);
    }

    fn write(&mut self, line: &Value) {
        if self.failed.is_none() {
            self.failed = writeln!(self.output, "{line}").err();
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.output.flush(),
        }
    }
}
