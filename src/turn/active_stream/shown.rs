//! What the game is shown of a reply: the parser's events and finished native calls become frames
//! and entries of the ledger, numbered in one row.

use dramatis_protocol::limits::MAX_FRAME_BYTES;
use dramatis_protocol::{AgentTagClose, AgentTagOpen, Id, TagKind};
use serde_json::{Map, Value};

use super::super::ledger::Ledger;
use super::super::outbox::Outbox;
use super::native_calls::Call;
use crate::record::LedgerTag;
use crate::tags::{Content, Event};

/// Room that a frame's other fields need beside a call's arguments, in bytes.
const FRAME_RESERVE: usize = 2 * 1024;

/// What the game was shown so far.
#[derive(Debug)]
pub(super) struct Shown {
    agent_id: Id,
    turn_id: Id,
    pub ledger: Ledger,
    /// The turn's id of each tag of the parser's.
    ids: Vec<u32>,
    /// Open tags, outermost first, and whether each may be cut.
    open: Vec<(u32, bool)>,
    speech: bool,
}

impl Shown {
    pub const fn new(agent_id: Id, turn_id: Id) -> Self {
        Self {
            agent_id,
            turn_id,
            ledger: Ledger::new(),
            ids: Vec::new(),
            open: Vec::new(),
            speech: false,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.ledger.tags().is_empty()
    }

    pub fn is_inside_a_tag(&self) -> bool {
        !self.open.is_empty()
    }

    pub fn is_holding(&self) -> bool {
        self.open.iter().any(|(_, interruptible)| !interruptible)
    }

    pub const fn has_speech(&self) -> bool {
        self.speech
    }

    /// An event of the parser.
    pub fn show(&mut self, outbox: &mut Outbox, event: Event<'_>) {
        match event {
            Event::Open { parent_id, tag, attributes, .. } => {
                let attributes = attributes
                    .iter()
                    .map(|(name, value)| (name.to_string(), Value::from(value.as_str())));
                let ledger_tag = LedgerTag {
                    tag_id: self.next_id(),
                    parent_id: parent_id.and_then(|parent| self.id_of(parent)),
                    tag: tag.name.clone(),
                    kind: tag.kind.into(),
                    empty: tag.content == Content::None,
                    attributes: attributes.collect(),
                    call_id: None,
                    arguments: None,
                    signature: None,
                    text: String::new(),
                    children: Vec::new(),
                    complete: false,
                };
                self.ids.push(ledger_tag.tag_id);
                self.open(outbox, ledger_tag, tag.interruptible);
            }
            Event::Chunk { tag_id, text } => {
                if let Some(tag_id) = self.id_of(tag_id) {
                    self.chunk(outbox, tag_id, text);
                }
            }
            Event::Close { tag_id, tag, complete } => {
                if let Some(tag_id) = self.id_of(tag_id) {
                    self.close(outbox, tag_id, tag.name.clone(), complete);
                }
            }
        }
    }

    /// A native call becomes a tag that opens and closes at once; `false` if it can't.
    pub fn show_call(&mut self, outbox: &mut Outbox, call: Call) -> bool {
        let Ok(Value::Object(arguments)) = serde_json::from_str(call.arguments_text()) else {
            return false;
        };
        let attributes: Map<String, Value> = arguments
            .iter()
            .filter_map(|(name, value)| Some((name.clone(), scalar(value)?)))
            .collect();
        let size = |map: &Map<String, Value>| {
            serde_json::to_string(map).map_or(usize::MAX, |json| json.len())
        };
        if size(&arguments).saturating_add(size(&attributes)) > MAX_FRAME_BYTES - FRAME_RESERVE {
            return false;
        }
        let tag: Id = call.name.into();
        let tag_id = self.next_id();
        let ledger_tag = LedgerTag {
            tag_id,
            parent_id: None,
            tag: tag.clone(),
            kind: TagKind::Tool,
            empty: true,
            attributes,
            call_id: Some(call.id),
            arguments: Some(arguments),
            signature: call.signature,
            text: String::new(),
            children: Vec::new(),
            complete: false,
        };
        self.open(outbox, ledger_tag, true);
        self.close(outbox, tag_id, tag, true);
        true
    }

    fn open(&mut self, outbox: &mut Outbox, tag: LedgerTag, interruptible: bool) {
        self.open.push((tag.tag_id, interruptible));
        let open = AgentTagOpen {
            agent_id: self.agent_id.clone(),
            turn_id: self.turn_id.clone(),
            seq: 0,
            tag_id: tag.tag_id,
            parent_id: tag.parent_id,
            tag: tag.tag.clone(),
            kind: tag.kind,
            attributes: tag.attributes.clone(),
            call_id: tag.call_id.clone(),
            arguments: tag.arguments.clone(),
        };
        self.ledger.open(tag);
        outbox.open(open, interruptible);
    }

    fn chunk(&mut self, outbox: &mut Outbox, tag_id: u32, text: &str) {
        self.speech |= self.ledger.kind_of(tag_id) == Some(TagKind::Speech);
        self.ledger.text(tag_id, text);
        outbox.chunk(&self.agent_id, &self.turn_id, tag_id, text);
    }

    fn close(&mut self, outbox: &mut Outbox, tag_id: u32, tag: Id, complete: bool) {
        self.open.retain(|(open, _)| *open != tag_id);
        self.ledger.close(tag_id, complete);
        outbox.close_tag(AgentTagClose {
            agent_id: self.agent_id.clone(),
            turn_id: self.turn_id.clone(),
            seq: 0,
            tag_id,
            tag,
            complete,
        });
    }

    fn next_id(&self) -> u32 {
        u32::try_from(self.ledger.tags().len()).unwrap_or(u32::MAX)
    }

    fn id_of(&self, parser_id: u32) -> Option<u32> {
        self.ids.get(usize::try_from(parser_id).ok()?).copied()
    }
}

/// A scalar as an attribute's value; lists, maps and null have none.
fn scalar(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Bool(_) | Value::Number(_) => Some(Value::from(value.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
