//! What must hold of every frame that a game gets and of every request that a model gets.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use dramatis::llm::Request;
use dramatis::record::Role;
use dramatis_protocol::ServerMessage;

/// An invariant that did not hold.
#[derive(Debug)]
pub struct Broken(String);

impl Broken {
    pub const fn new(what: String) -> Self {
        Self(what)
    }
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub type Check = Result<(), Broken>;

macro_rules! must {
    ($holds:expr, $($words:tt)*) => {
        if !$holds {
            return Err($crate::checker::Broken::new(format!($($words)*)));
        }
    };
}

pub(crate) use must;

/// A turn as the game saw it.
#[derive(Debug, Default, Clone)]
pub struct SeenTurn {
    pub agent: String,
    pub next_seq: u64,
    pub open: Vec<u32>,
    /// Name, kind of tool, text, closed complete.
    pub tags: Vec<SeenTag>,
    pub ended: bool,
}

#[derive(Debug, Default, Clone)]
pub struct SeenTag {
    pub name: String,
    pub is_tool: bool,
    pub text: String,
    pub complete: bool,
}

/// Everything that the game saw, checked as it comes.
#[derive(Debug, Default)]
pub struct Checker {
    pub turns: BTreeMap<String, SeenTurn>,
    /// Turns in the order in which they began.
    pub order: Vec<String>,
    /// What became of each event that the game sent over this connection.
    pub fates: BTreeMap<String, u32>,
    /// Every word that the game was shown, or wrote itself.
    pub words: BTreeSet<String>,
    /// Words that the game told not to have shown, by turn.
    pub refused: BTreeMap<String, BTreeSet<String>>,
}

impl Checker {
    pub fn see(&mut self, message: &ServerMessage) -> Check {
        match message {
            ServerMessage::AgentTurnStarted(started) => {
                let agent = started.agent_id.to_string();
                let open = self.turns.values().find(|turn| turn.agent == agent && !turn.ended);
                must!(open.is_none(), "two open turns of {agent}");
                for event in &started.event_ids {
                    self.fate(event)?;
                }
                must!(started.event_ids.len() <= 16, "a turn answers too many events");
                let turn = SeenTurn { agent, ..SeenTurn::default() };
                let before = self.turns.insert(started.turn_id.to_string(), turn);
                must!(before.is_none(), "{} began twice", started.turn_id);
                self.order.push(started.turn_id.to_string());
                self.turn(&started.turn_id, started.seq).map(|_| ())
            }
            ServerMessage::AgentTagOpen(open) => {
                let turn = self.turn(&open.turn_id, open.seq)?;
                must!(open.tag_id as usize == turn.tags.len(), "tags are not numbered in a row");
                must!(
                    open.parent_id == turn.open.last().copied(),
                    "tag {} of {} does not stand where it says",
                    open.tag_id,
                    open.turn_id
                );
                turn.open.push(open.tag_id);
                let is_tool = open.kind == dramatis_protocol::TagKind::Tool;
                let name = open.tag.to_string();
                turn.tags.push(SeenTag { name, is_tool, ..SeenTag::default() });
                Ok(())
            }
            ServerMessage::AgentTagChunk(chunk) => {
                must!(!chunk.text.is_empty(), "an empty chunk");
                let turn = self.turn(&chunk.turn_id, chunk.seq)?;
                must!(turn.open.contains(&chunk.tag_id), "text of a tag that is not open");
                turn.tags[chunk.tag_id as usize].text.push_str(&chunk.text);
                Ok(())
            }
            ServerMessage::AgentTagClose(close) => {
                let turn = self.turn(&close.turn_id, close.seq)?;
                must!(turn.open.pop() == Some(close.tag_id), "closes do not nest");
                turn.tags[close.tag_id as usize].complete = close.complete;
                Ok(())
            }
            ServerMessage::AgentTurnInterrupted(end) => self.end(&end.turn_id, end.seq),
            ServerMessage::AgentTurnFinished(end) => self.end(&end.turn_id, end.seq),
            ServerMessage::EventDropped(dropped) => self.fate(&dropped.event_id),
            _ => Ok(()),
        }
    }

    fn turn(&mut self, turn_id: &str, seq: u64) -> Result<&mut SeenTurn, Broken> {
        let Some(turn) = self.turns.get_mut(turn_id) else {
            return Err(Broken(format!("{turn_id} never began")));
        };
        must!(!turn.ended, "something of {turn_id} after its end");
        must!(turn.next_seq == seq, "{turn_id}: seq {seq} instead of {}", turn.next_seq);
        turn.next_seq += 1;
        Ok(turn)
    }

    fn end(&mut self, turn_id: &str, seq: u64) -> Check {
        let turn = self.turn(turn_id, seq)?;
        must!(turn.open.is_empty(), "{turn_id} ended with open tags");
        turn.ended = true;
        let words: Vec<String> = turn.tags.iter().flat_map(|tag| words(&tag.text)).collect();
        self.words.extend(words);
        Ok(())
    }

    fn fate(&mut self, event: &str) -> Check {
        let fates = self.fates.entry(event.to_owned()).or_default();
        *fates += 1;
        must!(*fates == 1, "event {event} has {fates} fates");
        Ok(())
    }

    /// The connection is gone: what it had shown stays shown, what it left open is over.
    pub fn disconnected(&mut self) {
        for turn in self.turns.values_mut().filter(|turn| !turn.ended) {
            turn.ended = true;
            turn.open.clear();
            let shown = turn.tags.iter().flat_map(|tag| words(&tag.text));
            self.words.extend(shown);
        }
    }
}

/// A request must be in order and hold nothing that the game refused at that time.
pub fn check_request(request: &Request, refused: &BTreeSet<String>) -> Check {
    let messages = &request.messages;
    must!(messages.first().is_some_and(|first| first.role == Role::System), "no system message");
    let mut expected = Role::User;
    for message in messages.iter().skip(1).filter(|message| message.role != Role::Tool) {
        must!(message.role == expected, "{:?} where {expected:?} belongs", message.role);
        expected = if expected == Role::User { Role::Assistant } else { Role::User };
        must!(
            !message.content.trim().is_empty() || !message.tool_calls.is_empty(),
            "an empty message"
        );
    }
    for message in messages.iter() {
        let bad: Vec<_> =
            words(&message.content).into_iter().filter(|word| refused.contains(word)).collect();
        must!(bad.is_empty(), "a request holds what the game refused: {bad:?}");
        must!(!message.content.contains("hush"), "a request holds hidden text");
        let own = request.cue.as_ref().map_or("", |cue| cue.agent.as_str());
        let foreign = if own == "agent0" { "agent1treasure" } else { "agent0treasure" };
        must!(!message.content.contains(foreign), "{own} is told what another heard");
    }
    Ok(())
}

/// Every word of the model's in any request must have been shown to the game.
pub fn check_shown(request: &Request, shown: &BTreeSet<String>) -> Check {
    for message in request.messages.iter() {
        for word in words(&message.content) {
            must!(shown.contains(&word), "a request holds {word}, which was never shown");
        }
    }
    Ok(())
}

/// The words of a text that only a model can have written: `w000017x`. A word that was cut in two
/// is none.
pub fn words(text: &str) -> Vec<String> {
    let is_word = |word: &&[u8]| {
        word.first() == Some(&b'w')
            && word.last() == Some(&b'x')
            && word[1..7].iter().all(u8::is_ascii_digit)
    };
    let found = text.as_bytes().windows(8).filter(is_word);
    found.map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}
