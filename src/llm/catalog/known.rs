//! The models that are known without asking anybody.

use super::{ModelInfo, ProviderId};

/// Id, name, and what a million tokens cost in US dollars: of prompts, replies, cached prompts.
type Known = (&'static str, &'static str, [f64; 3]);

/// List prices, those of prompts up to 200,000 tokens.
const GEMINI: [Known; 3] = [
    ("gemini/gemini-3.1-pro-preview", "Gemini 3.1 Pro", [2.0, 12.0, 0.2]),
    ("gemini/gemini-3-flash-preview", "Gemini 3 Flash", [0.5, 3.0, 0.05]),
    ("gemini/gemini-3.1-flash-lite-preview", "Gemini 3.1 Flash-Lite", [0.25, 1.5, 0.025]),
];

const DEEPSEEK: [Known; 2] = [
    ("deepseek-chat", "DeepSeek Chat", [0.14, 0.28, 0.014]),
    ("deepseek-reasoner", "DeepSeek Reasoner", [0.55, 2.19, 0.14]),
];

const SCRIPTED: [Known; 1] = [("scripted/actor", "Actor", [0.0; 3])];

/// What is known of a provider's models; of most nothing, and they are asked for a list.
pub(super) fn of(provider: ProviderId) -> Vec<ModelInfo> {
    let (label, models): (&str, &[Known]) = match provider {
        ProviderId::Gemini => ("Gemini", &GEMINI),
        ProviderId::DeepSeek => ("DeepSeek", &DEEPSEEK),
        ProviderId::Scripted => ("Built-in", &SCRIPTED),
        ProviderId::Default | ProviderId::Groq | ProviderId::Local => return Vec::new(),
    };
    let model = |&(id, name, [prompt, completion, cached]): &Known| ModelInfo {
        id: id.to_owned(),
        name: format!("[{label}] {name}"),
        prompt_price: prompt,
        completion_price: completion,
        cached_price: (cached > 0.0).then_some(cached),
    };
    models.iter().map(model).collect()
}
