//! English words without their endings, after M. F. Porter, "An algorithm for suffix stripping"
//! (Program 14, 1980): *promises*, *promised* and *promising* are one term. Words of other languages
//! pass through it unharmed: the same word always gives the same stem.

/// The stem of a word in small ASCII letters; any other word as it is.
pub(super) fn stem(word: &str) -> String {
    if word.len() < 3 || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word.to_owned();
    }
    let mut word = Word(word.to_owned());
    word.plurals();
    word.past_and_progress();
    word.final_y();
    word.first_of(DOUBLE_SUFFIXES);
    word.first_of(SUFFIXES);
    word.bare_suffixes();
    word.final_e();
    word.0
}

/// Step 2 of the paper.
const DOUBLE_SUFFIXES: &[(&str, &str)] = &[
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("abli", "able"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
];

/// Step 3.
const SUFFIXES: &[(&str, &str)] = &[
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

/// Step 4; of several that fit the longest counts.
const BARE_SUFFIXES: &[&str] = &[
    "ement", "ance", "ence", "able", "ible", "ment", "ant", "ent", "ism", "ate", "iti", "ous",
    "ive", "ize", "ion", "al", "er", "ic", "ou",
];

struct Word(String);

impl Word {
    /// What stands before a suffix.
    fn before(&self, suffix: &str) -> Option<&str> {
        self.0.strip_suffix(suffix)
    }

    fn replace(&mut self, suffix: &str, by: &str) {
        self.0.truncate(self.0.len() - suffix.len());
        self.0.push_str(by);
    }

    fn plurals(&mut self) {
        for (suffix, by) in [("sses", "ss"), ("ies", "i"), ("ss", "ss"), ("s", "")] {
            if self.before(suffix).is_some() {
                return self.replace(suffix, by);
            }
        }
    }

    fn past_and_progress(&mut self) {
        if let Some(stem) = self.before("eed") {
            if measure(stem) > 0 {
                self.replace("eed", "ee");
            }
            return;
        }
        for suffix in ["ed", "ing"] {
            if self.before(suffix).is_some_and(has_vowel) {
                self.replace(suffix, "");
                return self.mend();
            }
        }
    }

    /// After `ed` or `ing` has gone.
    fn mend(&mut self) {
        if ["at", "bl", "iz"].iter().any(|end| self.0.ends_with(end)) {
            self.0.push('e');
        } else if ends_double(&self.0) && !self.0.ends_with(['l', 's', 'z']) {
            self.0.pop();
        } else if measure(&self.0) == 1 && ends_short(&self.0) {
            self.0.push('e');
        }
    }

    fn final_y(&mut self) {
        if self.before("y").is_some_and(has_vowel) {
            self.replace("y", "i");
        }
    }

    /// Replaces the first suffix that fits, if enough stands before it.
    fn first_of(&mut self, suffixes: &[(&str, &str)]) {
        for (suffix, by) in suffixes {
            if let Some(stem) = self.before(suffix) {
                if measure(stem) > 0 {
                    self.replace(suffix, by);
                }
                return;
            }
        }
    }

    fn bare_suffixes(&mut self) {
        for suffix in BARE_SUFFIXES {
            if let Some(stem) = self.before(suffix) {
                let fits = *suffix != "ion" || stem.ends_with(['s', 't']);
                if fits && measure(stem) > 1 {
                    self.replace(suffix, "");
                }
                return;
            }
        }
    }

    fn final_e(&mut self) {
        if let Some(stem) = self.before("e") {
            let length = measure(stem);
            if length > 1 || (length == 1 && !ends_short(stem)) {
                self.replace("e", "");
            }
        }
        if measure(&self.0) > 1 && self.0.ends_with("ll") {
            self.0.pop();
        }
    }
}

/// For each letter, whether it is a vowel; `y` is one behind a consonant.
fn vowels(text: &str) -> impl Iterator<Item = bool> {
    text.bytes().scan(true, |vowel, byte| {
        *vowel = match byte {
            b'a' | b'e' | b'i' | b'o' | b'u' => true,
            b'y' => !*vowel,
            _ => false,
        };
        Some(*vowel)
    })
}

fn has_vowel(text: &str) -> bool {
    vowels(text).any(|vowel| vowel)
}

/// How often a vowel is followed by a consonant.
fn measure(text: &str) -> usize {
    let follows = vowels(text).skip(1);
    vowels(text).zip(follows).filter(|(first, second)| *first && !second).count()
}

fn ends_double(text: &str) -> bool {
    let mut last = text.bytes().rev();
    last.next() == last.next() && vowels(text).last() == Some(false)
}

/// Whether the end is consonant, vowel, consonant, the last none of `w`, `x`, `y`.
fn ends_short(text: &str) -> bool {
    let kinds: Vec<bool> = vowels(text).collect();
    kinds.ends_with(&[false, true, false]) && !text.ends_with(['w', 'x', 'y'])
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn forms_of_a_word_have_one_stem() {
        for family in [
            &["promise", "promises", "promised", "promising"] as &[_],
            &["connect", "connected", "connecting", "connection", "connections"],
            &["hop", "hops", "hopped", "hopping"],
            &["generalize", "generalization", "generalizations"],
            &["sky", "sky"],
            &["agree", "agreed", "agrees"],
            &["happy", "happiness"],
            &["relate", "relational", "related"],
        ] {
            let stems: Vec<String> = family.iter().map(|word| stem(word)).collect();
            assert!(stems.iter().all(|it| *it == stems[0]), "{family:?} give {stems:?}");
        }
    }

    /// Examples of the paper.
    #[test]
    fn it_is_porters_stemmer() {
        for (word, expected) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("cats", "cat"),
            ("feed", "feed"),
            ("plastered", "plaster"),
            ("bled", "bled"),
            ("motoring", "motor"),
            ("sing", "sing"),
            ("conflated", "conflat"),
            ("sized", "size"),
            ("falling", "fall"),
            ("hissing", "hiss"),
            ("failing", "fail"),
            ("filing", "file"),
            ("operator", "oper"),
            ("sensibiliti", "sensibl"),
            ("triplicate", "triplic"),
            ("hopefulness", "hope"),
            ("replacement", "replac"),
            ("adoption", "adopt"),
            ("rate", "rate"),
            ("cease", "ceas"),
            ("controll", "control"),
            ("roll", "roll"),
        ] {
            assert_eq!(stem(word), expected, "{word}");
        }
    }

    #[test]
    fn what_is_no_english_word_stays() {
        for word in ["", "a", "is", "r2d2", "меч", "größe", "山"] {
            assert_eq!(stem(word), word);
        }
    }
}
