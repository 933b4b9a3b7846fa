//! The catalog as others see it.

use super::*;

fn endpoints(ids: &[ProviderId]) -> Vec<(ProviderId, ProviderSettings)> {
    let base = "http://127.0.0.1:9/v1";
    ids.iter().map(|id| (*id, ProviderSettings::new(base, None).unwrap())).collect()
}

fn model(id: &str, price: f64) -> ModelInfo {
    ModelInfo {
        id: id.to_owned(),
        name: format!("[Test] {id}"),
        prompt_price: price,
        completion_price: 2.0 * price,
        cached_price: None,
    }
}

fn ids(catalog: &Catalog) -> Vec<String> {
    catalog.models().into_iter().map(|model| model.id).collect()
}

#[tokio::test]
async fn only_models_of_providers_that_can_be_asked_are_listed() {
    let catalog = Catalog::new(&[]).unwrap();
    assert_eq!(ids(&catalog), ["scripted/actor"]);
    let providers = [ProviderId::DeepSeek, ProviderId::Default, ProviderId::Local];
    let catalog = Catalog::new(&endpoints(&providers)).unwrap();
    let listed = [model("m", 1.0), model("deepseek-r1", 0.0), model("llama-3", 0.0)];
    catalog.take(ProviderId::Default, listed.to_vec()).await;
    catalog.take(ProviderId::Local, vec![model("local/qwen3", 0.0)]).await;
    assert_eq!(
        ids(&catalog),
        ["deepseek-chat", "deepseek-reasoner", "m", "llama-3", "local/qwen3", "scripted/actor"]
    );
    let names: Vec<_> = catalog.models().into_iter().map(|model| model.name).collect();
    assert_eq!((&*names[0], &*names[5]), ("[DeepSeek] DeepSeek Chat", "[Built-in] Actor"));
    let all: Vec<_> = catalog.with_keyless().into_iter().map(|model| model.id).collect();
    let (can_be_asked, keyless) = all.split_at(6);
    assert_eq!(can_be_asked, ids(&catalog));
    assert!(
        keyless.len() == 3 && keyless.iter().all(|id| id.starts_with("gemini/")),
        "{keyless:?}"
    );
}

#[tokio::test]
async fn what_was_fetched_is_there_at_the_next_start_unless_the_address_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("models.json");
    let catalog = Catalog::new(&endpoints(&[ProviderId::Groq])).unwrap();
    catalog.keep_in(file.clone());
    catalog.take(ProviderId::Groq, vec![model("groq/a", 1.0)]).await;

    let next = Catalog::new(&endpoints(&[ProviderId::Groq])).unwrap();
    next.keep_in(file.clone());
    assert_eq!(ids(&next), ["groq/a", "scripted/actor"]);

    let other = ProviderSettings::new("http://127.0.0.1:10/v1", None).unwrap();
    let other = Catalog::new(&[(ProviderId::Groq, other)]).unwrap();
    other.keep_in(file);
    assert_eq!(ids(&other), ["scripted/actor"]);
}

#[tokio::test]
async fn a_request_costs_its_tokens_by_their_prices() {
    let catalog = Catalog::new(&endpoints(&[ProviderId::DeepSeek, ProviderId::Groq])).unwrap();
    catalog.take(ProviderId::Groq, vec![model("groq/llama-3", 1.0), model("groq/x", 0.0)]).await;
    let usage = |cached| Usage {
        input_tokens: 1_000_000,
        output_tokens: 500_000,
        cached_input_tokens: cached,
        cost: None,
    };
    let check = |model: &str, cached: Option<u64>, expected: Option<f64>| {
        let cost = catalog.price(model).map(|price| price.of(&usage(cached)));
        let is_near = match (cost, expected) {
            (Some(cost), Some(expected)) => (cost - expected).abs() < 1e-9,
            (cost, expected) => cost == expected,
        };
        assert!(is_near, "{model}: {cost:?} and not {expected:?}");
    };
    check("deepseek-chat", None, Some(0.14 + 0.14));
    check("deepseek-chat", Some(500_000), Some(0.07 + 0.007 + 0.14));
    check("deepseek-chat", Some(9_000_000), Some(0.014 + 0.14));
    check("groq/llama-3", Some(500_000), Some(2.0));
    check("llama-3", None, Some(2.0));
    check("groq/x", None, None);
    check("gemini/gemini-3-flash-preview", None, None);
    check("unknown", None, None);
    check("scripted/actor", None, None);
}
