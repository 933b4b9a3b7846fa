//! Writing the hot frame: chunks of text, thousands a second.
//!
//! `agent_tag_chunk` is nearly all of what the server sends. [`write_chunk`] writes it without
//! an intermediate value, to the byte as serialising [`crate::AgentTagChunk`] would;
//! [`split_text`] cuts text so that no frame grows beyond [`MAX_FRAME_BYTES`].

use std::fmt::Write;

use crate::limits::MAX_FRAME_BYTES;

/// Appends the frame of an `agent_tag_chunk` to `out`.
#[expect(clippy::too_many_arguments, reason = "they are the frame's fields")]
pub fn write_chunk(
    out: &mut String,
    agent_id: &str,
    turn_id: &str,
    seq: u64,
    tag_id: u32,
    text: &str,
) {
    out.reserve(96 + agent_id.len() + turn_id.len() + text.len());
    out.push_str(r#"{"type":"agent_tag_chunk","agent_id":"#);
    write_string(out, agent_id);
    out.push_str(r#","turn_id":"#);
    write_string(out, turn_id);
    // Writing to a `String` can't fail.
    let _ = write!(out, r#","seq":{seq},"tag_id":{tag_id},"text":"#);
    write_string(out, text);
    out.push('}');
}

/// How many bytes of escaped text fit into a chunk's frame beside these ids, whatever `seq`
/// and `tag_id` are.
#[must_use]
pub fn chunk_budget(agent_id: &str, turn_id: &str) -> usize {
    let mut frame = String::new();
    write_chunk(&mut frame, agent_id, turn_id, u64::MAX, u32::MAX, "");
    MAX_FRAME_BYTES.saturating_sub(frame.len())
}

/// Cuts off what fits into `budget` bytes once it is escaped for JSON, at a character. The
/// first part is empty only if `text` is: one character is taken even where it doesn't fit.
#[must_use]
pub fn split_text(text: &str, budget: usize) -> (&str, &str) {
    // A byte becomes six at the most.
    if text.len() <= budget / 6 {
        return (text, "");
    }
    let mut used = 0;
    let end = text.char_indices().find(|(at, c)| {
        used += escaped_len(*c);
        used > budget && *at > 0
    });
    end.and_then(|(at, _)| text.split_at_checked(at)).unwrap_or((text, ""))
}

const fn escaped_len(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        c if c < ' ' => 6,
        c => c.len_utf8(),
    }
}

/// Writes a JSON string with the escapes that `serde_json` chooses.
fn write_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|b| b < b' ' || b == b'"' || b == b'\\') {
        // What is escaped is a single byte, so both cuts are at a character.
        let Some((plain, tail)) = rest.split_at_checked(at) else { break };
        let Some((special, tail)) = tail.split_at_checked(1) else { break };
        out.push_str(plain);
        write_escaped(out, special);
        rest = tail;
    }
    out.push_str(rest);
    out.push('"');
}

fn write_escaped(out: &mut String, special: &str) {
    match special {
        "\"" => out.push_str("\\\""),
        "\\" => out.push_str("\\\\"),
        "\n" => out.push_str("\\n"),
        "\r" => out.push_str("\\r"),
        "\t" => out.push_str("\\t"),
        "\u{8}" => out.push_str("\\b"),
        "\u{c}" => out.push_str("\\f"),
        other => {
            for byte in other.bytes() {
                let _ = write!(out, "\\u{byte:04x}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{AgentTagChunk, ServerMessage};

    fn check(agent_id: &str, turn_id: &str, seq: u64, tag_id: u32, text: &str) {
        let slow = ServerMessage::AgentTagChunk(AgentTagChunk {
            agent_id: agent_id.into(),
            turn_id: turn_id.into(),
            seq,
            tag_id,
            text: text.into(),
        });
        let mut fast = String::new();
        write_chunk(&mut fast, agent_id, turn_id, seq, tag_id, text);
        assert_eq!(fast, slow.to_json());
    }

    #[test]
    fn the_fast_path_writes_what_serde_writes() {
        check("guard", "t-1", 0, 0, "Halt!");
        check("", "", u64::MAX, u32::MAX, "");
        check("a\"b", "c\\d", 7, 3, "“Wer da?” \u{7f}\u{9f}\u{2028}\u{feff}🐉");
        let controls: String = (0..=255_u8).map(char::from).collect();
        check(&controls, &controls, 1, 2, &controls);
    }

    #[test]
    fn text_is_cut_at_a_character_within_the_budget() {
        for (text, budget, expected) in [
            ("", 0, ("", "")),
            ("abc", 3, ("abc", "")),
            ("abc", 2, ("ab", "c")),
            ("abc", 0, ("a", "bc")),
            ("äöü", 3, ("ä", "öü")),
            ("äöü", 4, ("äö", "ü")),
            ("\"\n\u{1}x", 9, ("\"\n", "\u{1}x")),
            ("\"\n\u{1}x", 10, ("\"\n\u{1}", "x")),
            ("🐉🐉", 7, ("🐉", "🐉")),
            ("🐉🐉", 1, ("🐉", "🐉")),
        ] {
            assert_eq!(split_text(text, budget), expected, "{text:?} {budget}");
        }
    }

    proptest! {
        #[test]
        fn any_chunk_is_written_alike(a in any::<String>(), t in any::<String>(), seq: u64, tag: u32, text in any::<String>()) {
            check(&a, &t, seq, tag, &text);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn no_piece_outgrows_a_frame(id in "\\PC{0,64}", text in "[\u{1}\"a\u{e4}\u{1f409}]{0,20000}") {
            let budget = chunk_budget(&id, &id);
            let (mut rest, mut whole) = (text.as_str(), String::new());
            while !rest.is_empty() {
                let (head, tail) = split_text(rest, budget);
                let mut frame = String::new();
                write_chunk(&mut frame, &id, &id, u64::MAX, u32::MAX, head);
                prop_assert!(!head.is_empty() && frame.len() <= MAX_FRAME_BYTES);
                whole.push_str(head);
                rest = tail;
            }
            prop_assert_eq!(whole, text);
        }
    }
}
