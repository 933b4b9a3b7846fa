//! What is sent to whom: addresses, headers and bodies, as a server sees them.

use axum::body::to_bytes;
use axum::http::Request as HttpRequest;
use dramatis::record::ToolCall;
use serde_json::{Value, json};

use super::*;

/// A request as it came.
#[derive(Debug, Clone)]
struct Seen {
    uri: String,
    headers: HeaderMap,
    body: Value,
}

/// A server that keeps what it is asked and fails.
async fn witness() -> (Served, Arc<Mutex<Vec<Seen>>>) {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let kept = Arc::clone(&seen);
    let app = Router::new().fallback(async move |request: HttpRequest<Body>| {
        let (head, body) = request.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        let body = serde_json::from_slice(&body).unwrap_or_default();
        let (uri, headers) = (head.uri.to_string(), head.headers);
        kept.lock().unwrap().push(Seen { uri, headers, body });
        StatusCode::BAD_REQUEST
    });
    let server = serving(app).await;
    (server, seen)
}

/// Every provider at one server, each below a path of its own.
fn everyone(base: &str) -> LlmSettings {
    let at = |path: &str, key: Option<&str>| {
        Some(ProviderSettings::new(&format!("{base}/{path}"), key).unwrap())
    };
    LlmSettings {
        default: at("router", Some(KEY)).map(ProviderSettings::as_openrouter),
        deepseek: at("deepseek", Some("sk-deep")),
        groq: at("groq", Some("gsk-groq")),
        gemini: at("gemini", Some("AIza-gem")),
        local: at("local", Some("own-key")),
        limits: limits(),
        ..LlmSettings::default()
    }
}

fn conversation(model: &str) -> Arc<Request> {
    let call = ToolCall {
        id: "c1".into(),
        name: "give".into(),
        arguments: "{\"n\":1}".into(),
        signature: None,
    };
    let calling = Message { tool_calls: vec![call], ..Message::text(Role::Assistant, "") };
    let answer = Message { tool_call_id: Some("c1".into()), ..Message::text(Role::Tool, "done") };
    let messages = vec![
        Message::text(Role::System, "You are Bram."),
        Message::text(Role::User, "Ale!"),
        calling,
        answer,
    ];
    let tool = ToolSpec {
        name: "give".into(),
        description: Some("Hands over.".into()),
        parameters: Some(json!({"type": "object", "additionalProperties": false})),
    };
    Arc::new(Request {
        model: model.to_owned(),
        messages: Arc::new(messages),
        tools: vec![tool],
        temperature: Some(0.5),
        max_tokens: Some(99),
        ..Request::clone(&request(""))
    })
}

#[tokio::test]
async fn each_provider_is_asked_in_its_own_way() {
    let (server, seen) = witness().await;
    let actor = Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE));
    let llm = Llm::new(everyone(&server.base), actor).unwrap();
    let gemini = "/v1/gemini/v1beta/models/gemini-3-flash-preview:streamGenerateContent?alt=sse";
    for (model, uri, key, asked) in [
        ("gemini/gemini-3-flash-preview", gemini, ("x-goog-api-key", "AIza-gem"), None),
        (
            "deepseek-chat",
            "/v1/deepseek/chat/completions",
            ("authorization", "Bearer sk-deep"),
            Some("deepseek-chat"),
        ),
        (
            "groq/openai/gpt-oss-20b",
            "/v1/groq/chat/completions",
            ("authorization", "Bearer gsk-groq"),
            Some("openai/gpt-oss-20b"),
        ),
        (
            "llama-3.1-8b-instant",
            "/v1/groq/chat/completions",
            ("authorization", "Bearer gsk-groq"),
            Some("llama-3.1-8b-instant"),
        ),
        (
            "local/qwen3:8b",
            "/v1/local/chat/completions",
            ("authorization", "Bearer own-key"),
            Some("qwen3:8b"),
        ),
        (
            "openai/gpt-4o",
            "/v1/router/chat/completions",
            ("authorization", "Bearer sk-secret-123"),
            Some("openai/gpt-4o"),
        ),
    ] {
        let all: Vec<_> = llm.stream(conversation(model)).collect().await;
        assert!(all.last().unwrap().is_err());
        let seen = seen.lock().unwrap().pop().unwrap();
        assert_eq!(seen.uri, uri, "{model}");
        assert_eq!(seen.body.get("model").and_then(Value::as_str), asked, "{model}");
        let header = |name: &str| seen.headers.get(name).map(|it| it.to_str().unwrap().to_owned());
        for name in ["authorization", "x-goog-api-key"] {
            let expected = (name == key.0).then(|| key.1.to_owned());
            assert_eq!(header(name), expected, "{model}: {name}");
        }
        let is_router = uri.contains("router");
        assert_eq!(header("x-title").as_deref(), is_router.then_some("dramatis"), "{model}");
        assert_eq!(header("http-referer").is_some(), is_router, "{model}");
        assert_eq!(
            seen.body["usage"],
            if is_router { json!({"include": true}) } else { json!(null) }
        );
        if asked.is_some() {
            assert_eq!(seen.body["stream_options"], json!({"include_usage": true}), "{model}");
            assert_eq!(seen.body["messages"][3]["tool_call_id"], "c1", "{model}");
        }
    }
}

#[tokio::test]
async fn gemini_gets_roles_system_instruction_and_tools_in_its_own_form() {
    let (server, seen) = witness().await;
    let actor = Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE));
    let llm = Llm::new(everyone(&server.base), actor).unwrap();
    let all: Vec<_> = llm.stream(conversation("gemini/gemini-2.0-flash")).collect().await;
    assert!(all.last().unwrap().is_err());
    let body = seen.lock().unwrap().pop().unwrap().body;
    let mut contents = body["contents"].clone();
    let signature = contents[1]["parts"][0].as_object_mut().unwrap().remove("thoughtSignature");
    assert!(signature.is_some());
    assert_eq!(
        contents,
        json!([
            {"role": "user", "parts": [{"text": "Ale!"}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "c1", "name": "give", "args": {"n": 1}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "give", "response": {"result": "done"}}}]},
        ])
    );
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "You are Bram."}]}));
    assert_eq!(
        body["tools"],
        json!([{"functionDeclarations": [{"name": "give", "description": "Hands over.",
            "parametersJsonSchema": {"type": "object", "additionalProperties": false}}]}])
    );
    assert_eq!(body["generationConfig"], json!({"temperature": 0.5, "maxOutputTokens": 99}));
}
