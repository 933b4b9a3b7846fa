//! What a single byte can be: one table, looked into by the scanner, by the search for markup and
//! by the cleaning of what comes in.

/// Space, tab, newline, carriage return.
pub(super) const WHITE: u8 = 1;
/// Part of a tag's name.
const NAME: u8 = 2;
/// What may begin a tag's name.
const NAME_START: u8 = 4;
/// Ends an attribute's name.
const NAME_END: u8 = 8;
/// May begin markup or an entity within text.
pub(super) const SPECIAL: u8 = 16;
/// A backtick: may begin a code fence outside every tag.
pub(super) const BACKTICK: u8 = 32;
/// Must be looked at by `clean`: controls, and every byte of a character beyond ASCII.
pub(super) const UNCLEAN: u8 = 64;

static CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "below 256")]
        {
            table[byte] = class_of(byte as u8);
        }
        byte += 1;
    }
    table
}

const fn class_of(byte: u8) -> u8 {
    match byte {
        b'\t' | b'\n' | b'\r' | b' ' => WHITE | NAME_END,
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => NAME | NAME_START,
        b'0'..=b'9' | b'.' | b':' | b'-' => NAME,
        b'<' => SPECIAL | NAME_END,
        b'&' => SPECIAL,
        b'=' | b'/' | b'>' => NAME_END,
        b'`' => BACKTICK,
        0..0x20 | 0x7F.. => UNCLEAN,
        _ => 0,
    }
}

/// The classes of a byte, as bits.
#[inline]
pub(super) const fn class(byte: u8) -> u8 {
    #[expect(clippy::indexing_slicing, reason = "a byte is below 256")]
    CLASSES[byte as usize]
}

/// Whether any of these bytes is [`UNCLEAN`], [`SPECIAL`] or a [`BACKTICK`], as bits. In a longer
/// piece one of these may stand for another that is rarer: what is said to be none is none.
#[inline]
pub(super) fn classes_of(bytes: &[u8]) -> u8 {
    if bytes.len() < 16 {
        return bytes.iter().fold(0, |all, &byte| all | class(byte));
    }
    // Without a table the compiler looks at sixteen bytes at once. One further, as a signed number,
    // a control and a byte beyond ASCII are all at or below the space.
    let (unclean, special) = bytes.iter().fold((0, 0), |(unclean, special), &byte| {
        let is_unclean = (byte.wrapping_add(1).cast_signed() <= 0x20) & (byte != b'\n');
        let is_special = (byte == b'<') | (byte == b'&') | (byte == b'`');
        (unclean | u8::from(is_unclean), special | u8::from(is_special))
    });
    (unclean * UNCLEAN) | (special * SPECIAL)
}

#[inline]
pub(super) const fn is_white(byte: u8) -> bool {
    class(byte) & WHITE != 0
}

#[inline]
pub(super) const fn is_name(byte: u8) -> bool {
    class(byte) & NAME != 0
}

#[inline]
pub(super) const fn begins_name(byte: u8) -> bool {
    class(byte) & NAME_START != 0
}

#[inline]
pub(super) const fn ends_attribute_name(byte: u8) -> bool {
    class(byte) & NAME_END != 0
}

/// The last place at or before `limit` where no character is cut.
pub(super) fn boundary(text: &str, limit: usize) -> usize {
    let mut at = limit.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
