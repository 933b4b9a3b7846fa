//! Templates: text with placeholders in single braces. Filling one can't fail; what can't be filled
//! stays as it is.

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Stands for itself.
    Text(&'a str),
    /// What stands between two braces.
    Placeholder(&'a str),
}

/// The pieces of a template, which together are the whole of it.
pub(super) fn pieces(template: &str) -> impl Iterator<Item = Piece<'_>> {
    let mut rest = template;
    std::iter::from_fn(move || {
        let (piece, behind) = match rest.split_once('{') {
            _ if rest.is_empty() => return None,
            Some(("", inner)) => match inner.split_once('}') {
                Some((name, behind)) => (Piece::Placeholder(name), behind),
                None => (Piece::Text(rest), ""),
            },
            Some((before, _)) => {
                (Piece::Text(before), rest.strip_prefix(before).unwrap_or_default())
            }
            None => (Piece::Text(rest), ""),
        };
        rest = behind;
        Some(piece)
    })
}

/// Fills a template. It is gone through once: a brace in a value is a brace, whoever wrote it.
#[must_use]
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let length: usize = values.iter().map(|(_, value)| value.len()).sum();
    let mut out = String::with_capacity(template.len() + length);
    for piece in pieces(template) {
        match piece {
            Piece::Text(text) => out.push_str(text),
            Piece::Placeholder(name) => match values.iter().find(|(key, _)| *key == name) {
                Some((_, value)) => out.push_str(value),
                None => out.extend(["{", name, "}"]),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_once_and_what_is_none_stays() {
        let check = |template: &str, expected: &str| {
            let values = [("name", "Ada {what} {name}"), ("what", "{{name}}")];
            assert_eq!(fill(template, &values), expected);
        };
        check("You are {name}.", "You are Ada {what} {name}.");
        check("{what}{name}", "{{name}}Ada {what} {name}");
        check("{what}, {what}", "{{name}}, {{name}}");
        for whole in ["", "no placeholder", "{who}", "{", "}", "a } b", "{na me}", "{name", "{}"] {
            check(whole, whole);
        }
        check("{{name}}", "{{name}}");
        check("}{name}{", "}Ada {what} {name}{");
        check("{name} 名前{what}は", "Ada {what} {name} 名前{{name}}は");
    }

    #[test]
    fn the_pieces_are_the_whole() {
        for template in ["", "a{b}c", "{b}", "{", "a{", "}{", "{}", "{a{b}}", "é{ü}ß{"] {
            let whole: String = pieces(template)
                .map(|piece| match piece {
                    Piece::Text(text) => text.to_owned(),
                    Piece::Placeholder(name) => format!("{{{name}}}"),
                })
                .collect();
            assert_eq!(whole, template);
        }
    }
}
