//! Reads the answer of a provider to `GET /models`. OpenRouter tells names and prices, everybody else
//! ids. What can't be read of a model leaves it out or counts as not told.

use serde::Deserialize;
use serde_json::Value;

use super::ModelInfo;

/// Most models of one list.
const MAX_MODELS: usize = 5_000;

/// Longest id or name, in bytes.
const MAX_NAME: usize = 256;

/// What models that neither read nor write text are called.
const OTHER_TRADES: [&str; 4] = ["whisper", "-tts", "embed", "rerank"];

#[derive(Deserialize)]
struct Listing {
    data: Vec<Value>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    active: Value,
    #[serde(default)]
    pricing: Value,
    #[serde(default)]
    architecture: Value,
}

/// Whose list it is.
pub(super) struct Whose<'a> {
    /// What stands before each id.
    pub prefix: &'static str,
    /// What stands before each name.
    pub label: &'a str,
}

/// The models of a list.
///
/// # Errors
/// If it is none.
pub(super) fn read(body: &[u8], whose: &Whose<'_>) -> Result<Vec<ModelInfo>, String> {
    let listing: Listing = serde_json::from_slice(body)
        .map_err(|error| format!("it is no list of models: {error}"))?;
    let listed = listing.data.into_iter().filter_map(|model| serde_json::from_value(model).ok());
    let models = listed.filter(speaks).map(|model| info(&model, whose));
    Ok(models.take(MAX_MODELS).collect())
}

fn speaks(model: &Listed) -> bool {
    let is_fit =
        |text: &str| !text.is_empty() && text.len() <= MAX_NAME && !text.contains(char::is_control);
    let outputs = model.architecture.get("output_modalities").and_then(Value::as_array);
    let writes = outputs.is_none_or(|outputs| outputs.iter().any(|it| it == "text"));
    let is_other = OTHER_TRADES.iter().any(|word| model.id.contains(word));
    is_fit(&model.id) && model.active != Value::Bool(false) && writes && !is_other
}

fn info(model: &Listed, whose: &Whose<'_>) -> ModelInfo {
    let name = model.name.as_str().filter(|name| name.len() <= MAX_NAME).unwrap_or(&model.id);
    let name: String = name.chars().filter(|char| !char.is_control()).collect();
    ModelInfo {
        name: format!("[{}] {name}", whose.label),
        id: format!("{}{}", whose.prefix, model.id),
        prompt_price: price(&model.pricing, "prompt").unwrap_or_default(),
        completion_price: price(&model.pricing, "completion").unwrap_or_default(),
        cached_price: price(&model.pricing, "input_cache_read"),
    }
}

/// Dollars a token, mostly as text, as dollars a million. Below zero, as OpenRouter has it for a model
/// that chooses among others, is not told.
fn price(pricing: &Value, field: &str) -> Option<f64> {
    let dollars = match pricing.get(field)? {
        Value::String(text) => text.parse().ok()?,
        value => value.as_f64()?,
    };
    // Multiplying leaves traces of binary fractions: 0.15000000000000002.
    let million = (dollars * 1e12).round() / 1e6;
    (million.is_finite() && million >= 0.0).then_some(million)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(body: &str, prefix: &'static str) -> Vec<String> {
        let models = read(body.as_bytes(), &Whose { prefix, label: "Here" }).unwrap();
        let shown = models.iter().map(|it| {
            let cached = it.cached_price.map(|price| format!("/{price}")).unwrap_or_default();
            format!("{} {} {}/{}{cached}", it.id, it.name, it.prompt_price, it.completion_price)
        });
        shown.collect()
    }

    #[test]
    fn names_and_prices_are_read_as_openrouter_tells_them() {
        let body = r#"{"data": [
            {"id": "openai/gpt-4o-mini", "name": "OpenAI: GPT-4o-mini", "context_length": 128000,
             "architecture": {"output_modalities": ["text"]},
             "pricing": {"prompt": "0.00000015", "completion": "0.0000006",
                         "input_cache_read": "0.000000075", "image": "0"}},
            {"id": "openrouter/auto", "name": "Auto", "pricing": {"prompt": "-1", "completion": "-1"}},
            {"id": "some/free:free", "pricing": {"prompt": "0", "completion": 0}},
            {"id": "paint/er", "architecture": {"output_modalities": ["image"]}}
        ]}"#;
        assert_eq!(
            listed(body, ""),
            [
                "openai/gpt-4o-mini [Here] OpenAI: GPT-4o-mini 0.15/0.6/0.075",
                "openrouter/auto [Here] Auto 0/0",
                "some/free:free [Here] some/free:free 0/0",
            ]
        );
    }

    #[test]
    fn what_cannot_speak_or_be_read_is_left_out() {
        let long = "x".repeat(MAX_NAME + 1);
        let body = format!(
            r#"{{"object": "list", "models": [], "data": [
                {{"id": "llama-3.3-70b-versatile", "object": "model", "active": true}},
                {{"id": "whisper-large-v3"}}, {{"id": "gone", "active": false}},
                {{"id": ""}}, {{"id": 7}}, {{"id": "a\nb"}}, {{"id": "{long}"}}, null, [],
                {{"id": "named", "name": "A\u001b[31m\nname", "pricing": {{"prompt": "much"}}}}
            ]}}"#
        );
        assert_eq!(
            listed(&body, "groq/"),
            [
                "groq/llama-3.3-70b-versatile [Here] llama-3.3-70b-versatile 0/0",
                "groq/named [Here] A[31mname 0/0",
            ]
        );
    }

    #[test]
    fn a_body_that_is_no_list_is_an_error() {
        for body in ["", "<html>", "[]", "{}", r#"{"data": {}}"#, r#"{"error": "no"}"#] {
            assert!(read(body.as_bytes(), &Whose { prefix: "", label: "" }).is_err(), "{body}");
        }
    }
}
