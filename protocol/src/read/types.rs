//! The `type` of a message, and what a game probably meant by one that is none.

use super::fields::quote;

/// The types that a game sends.
pub(super) const FROM_GAME: [&str; 8] = [
    "hello",
    "ping",
    "interaction_event",
    "notification_event",
    "agent_state_snapshot",
    "agent_turn_result",
    "tool_results",
    "cancel_turn",
];

/// The types that the server sends.
pub(super) const FROM_SERVER: [&str; 12] = [
    "welcome",
    "pong",
    "get_agent_state",
    "agent_turn_started",
    "agent_tag_open",
    "agent_tag_chunk",
    "agent_tag_close",
    "agent_turn_interrupted",
    "agent_turn_finished",
    "stored",
    "event_dropped",
    "error",
];

/// A sentence about a type that a game doesn't send.
pub(super) fn unknown(got: &str) -> String {
    let nearest = nearest(got);
    let quoted = quote(&got.into());
    if FROM_SERVER.contains(&got) {
        format!("{quoted} is what the server sends; the nearest that a game sends is \"{nearest}\"")
    } else {
        format!("there is no message type {quoted}; did you mean \"{nearest}\"?")
    }
}

/// The type with the most words in common; among those, the one with the fewest letters changed.
fn nearest(got: &str) -> &'static str {
    let got: String = snake_case(got).chars().take(64).collect();
    let rank = |known: &&&str| {
        let common = known.split('_').filter(|word| got.split('_').any(|w| w == *word)).count();
        (std::cmp::Reverse(common), edits(&got, known))
    };
    FROM_GAME.iter().min_by_key(rank).copied().unwrap_or_default()
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() && !snake.ends_with('_') {
            snake.push('_');
        }
        snake.push(if matches!(c, '-' | '.' | ' ') { '_' } else { c.to_ascii_lowercase() });
    }
    snake
}

/// Levenshtein's distance.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, ca) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (above, cb) in row.iter_mut().zip(std::iter::once(None).chain(b.chars().map(Some))) {
            let Some(cb) = cb else {
                *above = left;
                continue;
            };
            let best = (diagonal + usize::from(ca != cb)).min(left + 1).min(*above + 1);
            diagonal = *above;
            *above = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_type_is_named() {
        for (got, expected) in [
            ("interaction", "interaction_event"),
            ("InteractionEvent", "interaction_event"),
            ("interactionEvent", "interaction_event"),
            ("interaction-event", "interaction_event"),
            ("notify_event", "notification_event"),
            ("agent_state", "agent_state_snapshot"),
            ("get_agent_state", "agent_state_snapshot"),
            ("turn_result", "agent_turn_result"),
            ("tool_result", "tool_results"),
            ("cancel", "cancel_turn"),
            ("helo", "hello"),
            ("pong", "ping"),
            ("PING", "ping"),
        ] {
            assert_eq!(nearest(got), expected, "{got}");
        }
    }

    #[test]
    fn distance_counts_single_letters() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("ping", "pong", 1),
            ("flaw", "lawn", 2),
        ] {
            assert_eq!(edits(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn the_servers_own_types_are_told_apart() {
        assert!(unknown("agent_tag_open").contains("what the server sends"));
        assert!(unknown("dance").contains("did you mean"));
        assert!(unknown(&"é".repeat(5000)).chars().count() < 200);
    }
}
