//! A small embedding model that is the same everywhere: a vector counts the parts of words, of two to
//! four characters, each at a place that its hash gives.

use std::hint::black_box;

use dramatis::retrieval::embed::{Embed, EmbedError, unit};
use futures::FutureExt;
use futures::future::{BoxFuture, ready};

pub const SIZE: usize = 256;

pub struct PartsOfWords;

impl Embed for PartsOfWords {
    fn model(&self) -> &'static str {
        "parts-of-words"
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
        ready(Ok(texts.iter().map(|text| vector(black_box(text))).collect())).boxed()
    }
}

fn vector(text: &str) -> Vec<f32> {
    let mut vector = vec![0.0; SIZE];
    for word in text.to_lowercase().split(|char: char| !char.is_alphanumeric()) {
        let marked: Vec<char> = format!("<{word}>").chars().collect();
        for length in 2..=4 {
            for part in marked.windows(length) {
                let hash = hash(part);
                let sign = if hash & (1 << 40) == 0 { 1.0 } else { -1.0 };
                vector[usize::try_from(hash % SIZE as u64).expect("it is small")] += sign;
            }
        }
    }
    // Often is not much more than once.
    let damped = vector.iter().map(|it: &f32| it.signum() * it.abs().sqrt()).collect();
    unit(damped).unwrap_or_else(|| vec![0.0; SIZE])
}

fn hash(part: &[char]) -> u64 {
    let mixed = part.iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, char| {
        (hash ^ u64::from(u32::from(*char))).wrapping_mul(0x0000_0100_0000_01b3)
    });
    mixed ^ (mixed >> 29)
}
