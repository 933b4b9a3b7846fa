//! Entities: the few names that models use, and numeric ones.
//!
//! The reading is our own because quick-xml's answers an error where this page says "text", and
//! because a piece may end within an entity.

use super::text::is_dropped;

/// The longest entity, `&` and `;` included, in bytes.
pub(super) const LIMIT: usize = 10;

const NAMED: [(&str, char); 13] = [
    ("lt", '<'),
    ("gt", '>'),
    ("amp", '&'),
    ("quot", '"'),
    ("apos", '\''),
    ("nbsp", '\u{A0}'),
    ("hellip", '…'),
    ("mdash", '—'),
    ("ndash", '–'),
    ("lsquo", '‘'),
    ("rsquo", '’'),
    ("ldquo", '“'),
    ("rdquo", '”'),
];

/// What an `&` turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entity {
    /// More must come.
    Undecided,
    /// The `&` is text.
    Text,
    /// An entity of this many bytes; it gives nothing if its character is one that is dropped.
    Decoded(Option<char>, usize),
}

/// Reads what begins with the `&` that `text` begins with.
pub(super) fn read(text: &str) -> Entity {
    for (at, byte) in text.bytes().enumerate().take(LIMIT).skip(1) {
        if byte == b';' {
            let Some(character) = text.get(1..at).and_then(meaning) else { return Entity::Text };
            return Entity::Decoded(Some(character).filter(|&c| !is_dropped(c)), at + 1);
        }
        if !byte.is_ascii_alphanumeric() && byte != b'#' {
            return Entity::Text;
        }
    }
    match text.get(1..) {
        Some(so_far) if may_become_one(so_far) => Entity::Undecided,
        _ => Entity::Text,
    }
}

/// Appends `text` with its entities decoded.
pub(super) fn decode(mut text: &str, into: &mut String) {
    while let Some(at) = memchr::memchr(b'&', text.as_bytes()) {
        let (before, rest) = text.split_at(at);
        into.push_str(before);
        let used = match read(rest) {
            Entity::Decoded(character, length) => {
                into.extend(character);
                length
            }
            Entity::Text | Entity::Undecided => {
                into.push('&');
                1
            }
        };
        text = rest.get(used..).unwrap_or_default();
    }
    into.push_str(text);
}

/// The character of an entity's name or number.
fn meaning(name: &str) -> Option<char> {
    let Some(number) = name.strip_prefix('#') else {
        return NAMED.iter().find(|(known, _)| *known == name).map(|&(_, character)| character);
    };
    let (digits, radix) = digits(number);
    let plain = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    char::from_u32(u32::from_str_radix(digits, radix).ok().filter(|_| plain)?)
}

/// Whether what stands between `&` and the end of what has come could still go on as an entity.
fn may_become_one(so_far: &str) -> bool {
    let Some(number) = so_far.strip_prefix('#') else {
        return NAMED.iter().any(|(name, _)| name.starts_with(so_far));
    };
    let (digits, radix) = digits(number);
    let missing = if digits.is_empty() { "0;" } else { ";" };
    digits.chars().all(|digit| digit.is_digit(radix)) && 1 + so_far.len() + missing.len() <= LIMIT
}

fn digits(number: &str) -> (&str, u32) {
    match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16),
        None => (number, 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_decoded_once_and_others_stay() {
        let check = |text: &str, expected: &str| {
            let mut decoded = String::new();
            decode(text, &mut decoded);
            assert_eq!(decoded, expected, "{text}");
        };
        check("&lt;&gt;&amp;&quot;&apos;", "<>&\"'");
        check("&hellip;&mdash;&ndash;&lsquo;&rsquo;&ldquo;&rdquo;&nbsp;", "…—–‘’“”\u{A0}");
        check("&amp;lt; &amp;amp;", "&lt; &amp;");
        check("&#65;&#x41;&#X6a;&#x10FFFF;&#1114111;", "AAj\u{10FFFF}\u{10FFFF}");
        check("a&#0;b&#x7F;c&#x85;d&#9;e", "abcd\te");
        check(
            "&LT; &copy; & &; &#; &#x; &#xD800; &#x110000;",
            "&LT; &copy; & &; &#; &#x; &#xD800; &#x110000;",
        );
        check("&#00000065; &#0000065;", "&#00000065; A");
        check("&#+5; &#-5; &#x+5;", "&#+5; &#-5; &#x+5;");
        check("&&lt;&l&gt;&", "&<&l>&");
    }

    #[test]
    fn only_what_can_become_an_entity_waits() {
        for undecided in
            ["&", "&h", "&helli", "&hellip", "&#", "&#x", "&#X1", "&#1234567", "&#x10FFFF"]
        {
            assert_eq!(read(undecided), Entity::Undecided, "{undecided}");
        }
        for text in
            ["&x", "&hellipp", "&#a", "&#xg", "&#12345678", "&#x10FFFFF", "&am ", "&#1234567a"]
        {
            assert_eq!(read(text), Entity::Text, "{text}");
        }
    }
}
