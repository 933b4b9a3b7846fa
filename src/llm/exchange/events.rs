//! Server-sent events out of bytes in any pieces (WHATWG HTML, 9.2.6). Pure. A chunk of a reply
//! mostly comes as one whole event in one piece, and is then read where it lies, without a copy.

use bytes::Bytes;

/// May stand before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What has been read of a stream.
#[derive(Debug, Default)]
pub struct Events {
    /// What is still to be read.
    rest: Bytes,
    /// A line that has begun.
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed now belongs to it.
    after_return: bool,
    /// The first data line of the event that has begun.
    data: Option<Bytes>,
    /// Its other data lines, a line feed before each.
    more: Vec<u8>,
}

impl Events {
    /// More bytes; to be called when [`Self::next`] has nothing left.
    pub fn feed(&mut self, piece: Bytes) {
        self.rest = piece;
    }

    /// The data of the next whole event.
    pub fn next(&mut self) -> Option<Bytes> {
        while let Some(line) = self.next_line() {
            if line.is_empty() {
                if let Some(data) = self.complete() {
                    return Some(data);
                }
            } else {
                self.take_line(&line);
            }
        }
        None
    }

    /// No more bytes will come: the last event also counts where the empty line after it is
    /// missing.
    pub fn end(&mut self) -> Option<Bytes> {
        let line = Bytes::from(std::mem::take(&mut self.line));
        self.take_line(&line);
        self.complete()
    }

    fn next_line(&mut self) -> Option<Bytes> {
        if self.after_return && !self.rest.is_empty() {
            self.after_return = false;
            if self.rest.first() == Some(&b'\n') {
                drop(self.rest.split_to(1));
            }
        }
        let Some(end) = memchr::memchr2(b'\n', b'\r', &self.rest) else {
            self.line.extend_from_slice(&self.rest);
            self.rest.clear();
            return None;
        };
        let line = self.rest.split_to(end);
        self.after_return = self.rest.split_to(1) == b"\r".as_slice();
        if self.line.is_empty() {
            return Some(line);
        }
        let mut begun = std::mem::take(&mut self.line);
        begun.extend_from_slice(&line);
        Some(begun.into())
    }

    /// Only data matters: no provider gives the other fields a meaning.
    fn take_line(&mut self, line: &Bytes) {
        let text = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
        let Some(value) = text.strip_prefix(b"data") else { return };
        let value = match value {
            [] => value,
            [b':', b' ', value @ ..] | [b':', value @ ..] => value,
            // Another field, whose name begins so.
            _ => return,
        };
        if self.data.is_none() {
            self.data = Some(line.slice_ref(value));
        } else {
            self.more.push(b'\n');
            self.more.extend_from_slice(value);
        }
    }

    fn complete(&mut self) -> Option<Bytes> {
        let first = self.data.take()?;
        if self.more.is_empty() {
            return Some(first).filter(|data| !data.is_empty());
        }
        let more = std::mem::take(&mut self.more);
        Some([first.as_ref(), &more].concat().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the text cut into pieces of each length: always the same comes out.
    fn check(text: &str, expected: &[&str]) {
        for size in 1..=text.len() {
            let mut events = Events::default();
            let mut got = Vec::new();
            for piece in text.as_bytes().chunks(size) {
                events.feed(Bytes::copy_from_slice(piece));
                got.extend(std::iter::from_fn(|| events.next()));
            }
            got.extend(events.end());
            let got: Vec<_> = got.iter().map(|data| std::str::from_utf8(data).unwrap()).collect();
            assert_eq!(got, expected, "{text:?} in pieces of {size}");
        }
    }

    #[test]
    fn events_are_found_however_their_lines_end() {
        for end in ["\n", "\r\n", "\r"] {
            let text = "data: {\"a\":1}\n\ndata:b\n\n\n\ndata: é\n\n".replace('\n', end);
            check(&text, &["{\"a\":1}", "b", "é"]);
        }
    }

    #[test]
    fn data_lines_of_one_event_are_joined() {
        check("data: {\ndata:  1\ndata\ndata:}\n\n", &["{\n 1\n\n}"]);
    }

    #[test]
    fn everything_but_data_is_passed_over() {
        check(": a comment\nevent: ping\nid: 7\nretry: 10\ndatabase: x\ndata: a\n\n", &["a"]);
        check("event: keepalive\n\n:\n\ndata:\n\ndata\n\n", &[]);
        check("\u{feff}data: a\n\n", &["a"]);
    }

    #[test]
    fn the_last_event_needs_no_empty_line() {
        check("data: a\n\ndata: b", &["a", "b"]);
        check("data: a\n\ndata: b\n", &["a", "b"]);
        check("data: a\n\n", &["a"]);
    }
}
