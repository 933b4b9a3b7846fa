//! What a `<` begins, and where code fences and the ends of raw stretches lie. Pure functions over
//! what has come so far; each says "undecided" when the next bytes could change its answer.

use super::bytes::{begins_name, is_name, is_white};

/// The longest special token, in bytes.
pub(super) const TOKEN_LIMIT: usize = 64;
/// The longest word after the backticks of a fence, and the most blanks after that.
const FENCE_PART: usize = 32;

/// What a `<` begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    Undecided,
    Text,
    Tag {
        closing: bool,
    },
    Comment,
    /// `<?x` or `<!DOCTYPE`.
    Instruction,
    CharacterData,
    /// A special token of this many bytes.
    Token(usize),
}

pub(super) const COMMENT: &str = "<!--";
pub(super) const CHARACTER_DATA: &str = "<![CDATA[";
const DOCTYPE: &str = "<!DOCTYPE";

/// What the `<` that `text` begins with begins.
#[inline]
pub(super) fn begin(text: &str) -> Begin {
    let mut bytes = text.bytes().skip(1);
    match (bytes.next(), bytes.next()) {
        (None, _) | (Some(b'/' | b'?'), None) => Begin::Undecided,
        (Some(b'/'), Some(byte)) if begins_name(byte) => Begin::Tag { closing: true },
        (Some(b'?'), Some(byte)) if byte.is_ascii_alphabetic() => Begin::Instruction,
        (Some(b'!'), _) => declaration(text),
        (Some(byte), _) if begins_name(byte) => Begin::Tag { closing: false },
        _ => token(text),
    }
}

fn declaration(text: &str) -> Begin {
    let known = [
        (COMMENT, Begin::Comment),
        (CHARACTER_DATA, Begin::CharacterData),
        (DOCTYPE, Begin::Instruction),
    ];
    for (mark, begin) in known {
        let common = mark.len().min(text.len());
        let (Some(expected), Some(come)) = (mark.get(..common), text.get(..common)) else {
            continue;
        };
        let any_case = mark == DOCTYPE;
        if come == expected || (any_case && come.eq_ignore_ascii_case(expected)) {
            return if common == mark.len() { begin } else { Begin::Undecided };
        }
    }
    Begin::Text
}

/// `<|…|>`, either bar also as U+FF5C.
fn token(text: &str) -> Begin {
    let is_bar = |c: char| matches!(c, '|' | '｜');
    let Some(inner) = text.strip_prefix('<').and_then(|rest| rest.strip_prefix(is_bar)) else {
        return Begin::Text;
    };
    let start = text.len() - inner.len();
    let end = inner
        .bytes()
        .take(TOKEN_LIMIT - start)
        .position(|b| matches!(b, b'<' | b'>') || is_white(b));
    let Some(end) = end else {
        let missing = if inner.ends_with(is_bar) { 1 } else { 2 };
        let fits = text.len() + missing <= TOKEN_LIMIT;
        return if fits { Begin::Undecided } else { Begin::Text };
    };
    let (inside, after) = inner.split_at(end);
    if after.starts_with('>') && inside.ends_with(is_bar) {
        Begin::Token(start + end + 1)
    } else {
        Begin::Text
    }
}

/// What backticks at the free beginning of a line outside every tag are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fence {
    Undecided,
    /// This many backticks, which are text.
    Text(usize),
    /// A fence of this many bytes.
    Whole(usize),
}

/// Reads what begins with the backtick that `text` begins with.
pub(super) fn fence(text: &str) -> Fence {
    let count = |from: usize, of: fn(u8) -> bool| {
        text.bytes().skip(from).take_while(|&byte| of(byte)).count()
    };
    let ticks = count(0, |byte| byte == b'`');
    if ticks > 8 {
        return Fence::Text(ticks);
    }
    if ticks == text.len() {
        return Fence::Undecided;
    }
    let word = count(ticks, |byte| !is_white(byte) && !matches!(byte, b'`' | b'<'));
    let blanks = count(ticks + word, |byte| is_white(byte) && byte != b'\n');
    if ticks < 3 || word > FENCE_PART || blanks > FENCE_PART {
        return Fence::Text(ticks);
    }
    let end = ticks + word + blanks;
    match text.as_bytes().get(end) {
        None => Fence::Undecided,
        Some(b'\n' | b'<') => Fence::Whole(end),
        Some(_) => Fence::Text(ticks),
    }
}

/// Whether backticks that the output's end leaves undecided are a fence.
pub(super) fn is_fence_at_end(text: &str) -> bool {
    text.starts_with("```")
}

/// Whether `mark` begins here; `None`: it may, when more comes.
pub(super) fn begins_with(text: &str, mark: &str) -> Option<bool> {
    if text.starts_with(mark) {
        Some(true)
    } else if mark.starts_with(text) {
        None
    } else {
        Some(false)
    }
}

/// Whether a close tag of one of these names begins here; `None`: it may, when more comes.
pub(super) fn closes_one_of<'a>(
    text: &str,
    mut names: impl Iterator<Item = &'a str>,
) -> Option<bool> {
    if !begins_with(text, "</")? {
        return Some(false);
    }
    let after = text.split_at(2).1;
    let length = after.bytes().take_while(|&byte| is_name(byte)).count();
    let name = after.split_at(length).0;
    if length < after.len() {
        return Some(names.any(|known| known.eq_ignore_ascii_case(name)));
    }
    let goes_on = |known: &str| known.get(..length).is_some_and(|k| k.eq_ignore_ascii_case(name));
    if names.any(goes_on) { None } else { Some(false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bracket_begins_what_follows_it() {
        let check = |text: &str, expected: Begin| assert_eq!(begin(text), expected, "{text}");
        check("<a", Begin::Tag { closing: false });
        check("<_", Begin::Tag { closing: false });
        check("</a", Begin::Tag { closing: true });
        for undecided in ["<", "</", "<?", "<!", "<!-", "<!d", "<![CDATA", "<|", "<｜x|"] {
            check(undecided, Begin::Undecided);
        }
        for text in
            ["<3", "< a", "<>", "</ a", "</3", "<?1", "<!x", "<![cdata[", "<!->", "<é", "<-"]
        {
            check(text, Begin::Text);
        }
        check("<!-->", Begin::Comment);
        check("<!dOcTyPe", Begin::Instruction);
        check("<?x", Begin::Instruction);
        check("<![CDATA[", Begin::CharacterData);
        check("<||>", Begin::Token(4));
        check("<|end｜>x", Begin::Token(9));
        for text in ["<|>", "<|a b|>", "<|a<|b|>", "<|a>|>"] {
            check(text, Begin::Text);
        }
    }

    #[test]
    fn a_special_token_has_64_bytes_at_the_most() {
        let whole = |length: usize| format!("<|{}|>", "x".repeat(length - 4));
        assert_eq!(begin(&whole(64)), Begin::Token(64));
        assert_eq!(begin(&whole(65)), Begin::Text);
        let cut = |text: &str, length: usize| begin(text.get(..length).unwrap());
        assert_eq!(cut(&whole(64), 62), Begin::Undecided);
        assert_eq!(cut(&whole(64), 63), Begin::Undecided);
        assert_eq!(cut(&whole(65), 62), Begin::Undecided);
        assert_eq!(cut(&whole(65), 63), Begin::Text);
    }

    #[test]
    fn fences_are_whole_lines() {
        let check = |text: &str, expected: Fence| assert_eq!(fence(text), expected, "{text:?}");
        check("```\n", Fence::Whole(3));
        check("````````json \t\r\nx", Fence::Whole(15));
        check("```c++<", Fence::Whole(6));
        for undecided in ["`", "``", "```", "```js", "```js \r"] {
            check(undecided, Fence::Undecided);
        }
        check("``\n", Fence::Text(2));
        check("`````````", Fence::Text(9));
        check("```a`\n", Fence::Text(3));
        check("``` js\n", Fence::Text(3));
        check("```js x\n", Fence::Text(3));
        check(&format!("```{}\n", "w".repeat(32)), Fence::Whole(35));
        check(&format!("```{}", "w".repeat(33)), Fence::Text(3));
        check(&format!("```{}\n", " ".repeat(32)), Fence::Whole(35));
        check(&format!("```{}", " ".repeat(33)), Fence::Text(3));
    }
}
