//! Thought signatures as they are kept beside a call: with the model that gave them, for another one
//! refuses the whole request for them. To everybody else they are opaque.

use super::decode::bare;

/// A signature of this model, for keeping.
pub fn kept(model: &str, signature: &str) -> String {
    format!("{}:{signature}", bare(model))
}

/// The signature, if this model gave it.
pub fn for_model<'a>(kept: &'a str, model: &str) -> Option<&'a str> {
    // Base64 has no colon.
    let (giver, signature) = kept.rsplit_once(':')?;
    (giver == bare(model)).then_some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_for_the_model_that_gave_it() {
        let check = |kept: &str, model: &str, expected: Option<&str>| {
            assert_eq!(for_model(kept, model), expected, "{kept} for {model}");
        };
        let signature = kept("models/gemini-3-flash-preview", "Ab+/1==");
        check(&signature, "gemini-3-flash-preview", Some("Ab+/1=="));
        check(&signature, "models/gemini-3-flash-preview", Some("Ab+/1=="));
        check(&signature, "gemini-3.1-pro-preview", None);
        check(&kept("tuned:1", "A"), "tuned:1", Some("A"));
        check("Ab12", "gemini-3-flash-preview", None);
    }
}
