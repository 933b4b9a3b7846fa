//! A conversation outside of games: a chat session, and what was said in it.

use chrono::{DateTime, Utc};
use dramatis_protocol::Id;
use serde::{Deserialize, Serialize};

use super::message::Role;

/// What a session without a title is called.
pub const NEW_SESSION: &str = "New session";

/// Longest title that is made of a message, in characters.
const TITLE_CHARS: usize = 60;

/// A chat session: who is talked to, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatSession {
    /// Its id.
    pub id: Id,
    /// What people call it; empty or [`NEW_SESSION`] until something was said.
    pub title: String,
    /// The world that was played in last.
    pub world_id: Id,
    /// The character that was talked to last.
    pub character_id: Id,
    /// The model that was asked last.
    pub model: String,
    /// When it was begun.
    pub created: DateTime<Utc>,
    /// When something was said in it last.
    pub updated: DateTime<Utc>,
}

impl ChatSession {
    /// Whether it still needs a title.
    #[must_use]
    pub fn is_untitled(&self) -> bool {
        self.title.is_empty() || self.title == NEW_SESSION
    }
}

/// The title that a session gets from what was said first, on one line.
#[must_use]
pub fn title_of(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let title: String = words.chars().take(TITLE_CHARS).collect();
    title.trim_end().to_owned()
}

/// One message of a chat session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Its id.
    pub id: Id,
    /// Who it is from: [`Role::User`], or [`Role::Assistant`] for the character.
    pub role: Role,
    /// The character whose words it is; none: a user's, or how a world begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub character_id: Option<Id>,
    /// The name of who sent it, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// Its text.
    pub content: String,
    /// Whether it is the beginning of a reply that was cancelled or failed.
    #[serde(default)]
    pub partial: bool,
    /// When it was sent.
    pub time: DateTime<Utc>,
}

impl ChatMessage {
    /// The text as the history tells it: with the sender's name before it, where there is one.
    #[must_use]
    pub fn told(&self) -> String {
        told(self.sender.as_deref(), &self.content)
    }
}

/// What somebody said as the history tells it. Behind a name no further line begins like one of somebody
/// else's.
#[must_use]
pub fn told(sender: Option<&str>, content: &str) -> String {
    let Some(sender) = sender else { return content.to_owned() };
    let lines = content.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
    format!("[{sender}]: {}", lines.collect::<Vec<_>>().join("\n  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_speaks_in_another_s_name() {
        assert_eq!(told(None, "a\n[Wren]: b"), "a\n[Wren]: b");
        assert_eq!(told(Some("Jory"), "a\n[Wren]: b\u{2028}c"), "[Jory]: a\n  [Wren]: b\n  c");
    }

    #[test]
    fn a_title_is_the_beginning_on_one_line() {
        assert_eq!(title_of("  Good\nevening,\t Oswin "), "Good evening, Oswin");
        assert_eq!(title_of(&"é".repeat(70)), "é".repeat(60));
        let text = format!("{} and more", "a".repeat(59));
        assert_eq!(title_of(&text), "a".repeat(59), "no space at the end");
    }
}
