//! The lore and the memories of a turn as sections of its present situation, as many as there is room
//! for. Their words may be a player's, and are quoted as such.

use dramatis_protocol::Sentences;

use crate::llm::{Cue, CueSection};
use crate::record::{LeftOut, LeftOutBecause, Piece, Retrieved, Woken};

use super::Form;
use super::section::{Section, first_chars, last_chars};
use super::system::{situation, situation_text};

/// As much of one memory is told, in characters: its last ones.
const MEMORY_CHARS: usize = 1_200;

/// As much of a text stands in the report, in characters.
const EXCERPT_CHARS: usize = 120;

/// Between two pieces.
const BETWEEN: &str = "\n\n";

/// What a character is reminded of in a turn.
#[derive(Debug, Clone, Default)]
pub struct Reminders {
    /// The entries of lorebooks that are awake.
    pub lorebook: Woken,
    /// The lore and the memories that were looked up.
    pub retrieved: Retrieved,
}

impl Reminders {
    /// Leaves out what `room` characters don't hold as they are written: entries stand, then lore, then
    /// memories, the best first.
    pub(super) fn fit(&mut self, room: usize, form: Form, say: &Sentences) {
        let cost = |text: &str| situation_text(form, text).chars().count() + BETWEEN.len();
        let heading = |title: &str| situation(form, "", title, ".").chars() - 1;
        let (mut of_lore, of_memories) =
            (heading(&say.lore_heading), heading(&say.memories_heading));
        let mut room = room;
        for entry in &self.lorebook.entries {
            room = room.saturating_sub(std::mem::take(&mut of_lore) + cost(&entry.content));
        }
        let Retrieved { lore, memories, report } = &mut self.retrieved;
        for piece in memories.iter_mut() {
            shorten_front(&mut piece.text, MEMORY_CHARS);
        }
        for (pieces, mut heading) in [(lore, of_lore), (memories, of_memories)] {
            let mut kept = Vec::new();
            for piece in pieces.drain(..) {
                if let Some(left) = room.checked_sub(heading + cost(&piece.text)) {
                    (room, heading) = (left, 0);
                    kept.push(piece);
                } else {
                    let piece = excerpt(piece);
                    report.left_out.push(LeftOut { piece, because: LeftOutBecause::NoRoom });
                }
            }
            *pieces = kept;
        }
        // They read as they were lived through: one that was corrected has a newer number.
        self.retrieved.memories.sort_by_key(|piece| (piece.position, piece.document));
    }

    /// The sections, those with something in them.
    pub(super) fn sections(&self, form: Form, say: &Sentences) -> Vec<Section> {
        let Retrieved { lore, memories, .. } = &self.retrieved;
        let entries = self.lorebook.entries.iter().map(|entry| &*entry.content);
        let lore = joined(entries.chain(lore.iter().map(|piece| &*piece.text)));
        let memories = joined(memories.iter().map(|piece| &*piece.text));
        [("lore", &say.lore_heading, lore), ("memories", &say.memories_heading, memories)]
            .into_iter()
            .filter(|(.., text)| !text.trim().is_empty())
            .map(|(name, title, text)| situation(form, name, title, &text))
            .collect()
    }

    /// The same for the built-in actor.
    pub(super) fn tell(&self, cue: &mut Cue, say: &Sentences) {
        let entries = self.lorebook.entries.iter().map(|entry| &entry.content);
        let lore = entries.chain(self.retrieved.lore.iter().map(|piece| &piece.text));
        let title = &say.lore_heading;
        cue.sections
            .extend(lore.map(|text| CueSection { title: title.clone(), text: text.clone() }));
        cue.memories.extend(self.retrieved.memories.iter().map(|piece| piece.text.clone()));
    }

    /// For the report: of each text the beginning.
    pub(super) fn excerpts(mut self) -> Self {
        let Woken { entries, no_room } = &mut self.lorebook;
        for entry in entries.iter_mut().chain(no_room) {
            shorten(&mut entry.content, EXCERPT_CHARS);
        }
        let Retrieved { lore, memories, .. } = &mut self.retrieved;
        for piece in lore.iter_mut().chain(memories) {
            shorten(&mut piece.text, EXCERPT_CHARS);
        }
        self
    }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    texts.map(str::trim).collect::<Vec<_>>().join(BETWEEN)
}

fn excerpt(mut piece: Piece) -> Piece {
    shorten(&mut piece.text, EXCERPT_CHARS);
    piece
}

fn shorten(text: &mut String, chars: usize) {
    let end = first_chars(text, chars).len();
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
}

/// An exchange ends with what it came to.
fn shorten_front(text: &mut String, chars: usize) {
    let end = last_chars(text, chars);
    if end.len() < text.len() {
        *text = format!("…{end}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{PieceSource, Scores};

    #[test]
    fn what_is_written_fits_whatever_a_player_said() {
        let piece = |text: &str| Piece {
            document: 0,
            position: None,
            source: PieceSource::Memory { turn_id: "t".into() },
            text: text.repeat(40),
            scores: Scores::default(),
            reason: String::new(),
        };
        let (texts, say) = (["<&> ", "#\n# ", "word "], Sentences::default());
        for (form, room) in [Form::Game, Form::Chat]
            .into_iter()
            .flat_map(|form| (0..150).map(move |step| (form, step * 10)))
        {
            let mut reminders = Reminders::default();
            reminders.retrieved.lore = texts.map(piece).into();
            reminders.retrieved.memories = texts.map(piece).into();
            reminders.fit(room, form, &say);
            let sections = reminders.sections(form, &say);
            let written: usize = sections.iter().map(Section::chars).sum();
            assert!(written <= room, "{written} in {room}, {form:?}");
            let kept = reminders.retrieved.lore.len() + reminders.retrieved.memories.len();
            assert_eq!(kept + reminders.retrieved.without_room(), 6);
            assert!(room < 1_490 || form == Form::Game || kept == 6, "{kept} in {room}");
        }
    }
}
