//! The model clients against real sockets: against the mock with all its faults, and against servers
//! that send recorded bodies in pieces. `streams` plays those of each provider, `requests` looks at
//! what is sent.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that can't be set up, or gets something else, has failed"
)]

mod requests;
mod streams;

use std::collections::HashSet;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use bytes::Bytes;
use dramatis::actor::{Actor, FaultSpec, MockLlm, Pace, Script, serve};
use dramatis::config::AllowedModels;
use dramatis::generation::{Form, GenerationPlan, Generator, Step};
use dramatis::llm::{
    ErrorKind, Limits, Llm, LlmError, LlmSettings, OpenAi, Provider, ProviderSettings, Request,
};
use dramatis::prompt::PromptLimits;
use dramatis::record::{Delta, Message, Role, ToolSpec, Usage};
use dramatis::tags::Vocabulary;
use dramatis_protocol::{AgentState, Id};
use futures::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const KEY: &str = "sk-secret-123";
const REPLY: &str = "<speech>Good evening, ünïcode traveller.</speech><emotion name=\"joy\"/>";

/// A server that lives as long as this.
struct Served {
    base: String,
    _tasks: JoinSet<()>,
}

async fn served<F, T>(run: F) -> Served
where
    F: FnOnce(TcpListener) -> T,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(run(listener));
    Served { base, _tasks: tasks }
}

/// Serves an app whose pieces leave one by one: the kernel would keep small ones back until the one
/// before is acknowledged.
async fn serving(app: Router) -> Served {
    served(async move |listener| {
        let listener = listener.tap_io(|socket| socket.set_nodelay(true).unwrap());
        axum::serve(listener, app).await.unwrap();
    })
    .await
}

async fn mock(faults: &[&str]) -> (Served, MockLlm) {
    let yaml = format!(
        "rules:\n  - when: {{ text: tool }}\n    reply:\n      - {{ reasoning: hm }}\n      \
         - {{ call: give, arguments: {{ item: ale }} }}\n      - {{ call: take }}\n  \
         - reply: '{REPLY}'\n"
    );
    let actor = Actor::new(Script::parse(&yaml, "test").unwrap(), Pace::tokens_per_second(2000.0));
    let faults: Vec<FaultSpec> = faults.iter().map(|fault| fault.parse().unwrap()).collect();
    let mock = MockLlm::new(actor, faults);
    let shared = mock.clone();
    let server = served(async move |listener| {
        serve(listener, shared, std::future::pending()).await.unwrap();
    });
    (server.await, mock)
}

/// Short enough for stalls over real sockets; every other test is done long before.
fn limits() -> Limits {
    let first_token = Duration::from_millis(1500);
    let silence = Duration::from_millis(300);
    Limits { first_token, silence, after_finish: Duration::from_millis(300), ..Limits::default() }
}

fn client(base: &str, key: Option<&str>) -> OpenAi {
    OpenAi::new(ProviderSettings::new(base, key).unwrap(), Arc::new(limits())).unwrap()
}

fn request(text: &str) -> Arc<Request> {
    let messages =
        vec![Message::text(Role::System, "You are Bram."), Message::text(Role::User, text)];
    Arc::new(Request {
        model: "some/model".to_owned(),
        messages: Arc::new(messages),
        tools: Vec::new(),
        temperature: None,
        max_tokens: None,
        priority: 0,
        cue: None,
    })
}

/// A reply put together.
#[derive(Debug, Default, PartialEq)]
struct Got {
    text: String,
    reasoning: String,
    calls: String,
    usage: bool,
    end: String,
}

fn put_together(all: Vec<Result<Delta, LlmError>>) -> Got {
    let mut got = Got::default();
    for item in all {
        assert!(got.end.is_empty(), "something follows the end {}", got.end);
        match item {
            Ok(Delta::Text(text)) => got.text += &text,
            Ok(Delta::Reasoning(text)) => got.reasoning += &text,
            Ok(Delta::ToolCall(piece)) => {
                if let Some(name) = piece.name {
                    got.calls += &format!(" {}:{name}", piece.index);
                }
                got.calls += &piece.arguments;
            }
            Ok(Delta::Usage(usage)) => got.usage = usage.output_tokens > 0,
            Ok(Delta::Model(model)) => got.text += &format!("[{model}]"),
            Ok(Delta::Finish(reason)) => got.end = reason,
            Err(error) => {
                let shown = format!("{error} {error:?}");
                assert!(!shown.contains(KEY), "the key is shown: {shown}");
                got.end = format!("{:?}", error.kind);
            }
        }
    }
    got
}

async fn ask(base: &str, text: &str) -> Got {
    put_together(client(base, Some(KEY)).stream(request(text)).collect().await)
}

#[tokio::test]
async fn every_fault_ends_as_it_should() {
    let half = "half";
    let cases = [
        ("comments", "whole", "stop", 1),
        ("one-byte", "whole", "stop", 1),
        ("odd-chunks", "whole", "stop", 1),
        ("json-answer", "whole", "stop", 1),
        ("unclosed", half, "stop", 1),
        ("reasoning-leak", "more", "stop", 1),
        ("lone-closing-half", "more", "stop", 1),
        ("unknown-tags", "more", "stop", 1),
        ("done-without-reason", "whole", "unknown", 1),
        ("oversize", "more", "Timeout", 1),
        ("stall-after-connect", "", "Timeout", 1),
        ("stall-midway", half, "Timeout", 1),
        ("error-in-stream", half, "Provider", 1),
        ("truncated", half, "Provider", 1),
        ("reset", half, "Provider", 1),
        ("html", "", "Provider", 1),
        ("401", "", "Auth", 1),
        ("402", "", "Auth", 1),
        ("403", "", "Auth", 1),
        ("403-moderation", "", "Refused", 1),
        ("400", "", "Provider", 1),
        ("429", "", "RateLimited", 3),
        ("429:60", "", "RateLimited", 1),
        ("500", "", "Provider", 3),
        ("503", "", "Provider", 3),
        ("408*1", "whole", "stop", 2),
        ("500*2", "whole", "stop", 3),
        ("429:1*1", "whole", "stop", 2),
    ];
    // Side by side, because some of them have to wait.
    let checks = cases.map(async |(fault, text, end, attempts)| {
        let (server, mock) = mock(&[fault]).await;
        let got = ask(&server.base, "Hello").await;
        let shape = match got.text.as_str() {
            "" => "",
            REPLY => "whole",
            text if text.len() > REPLY.len() => "more",
            text if REPLY.starts_with(text) => "half",
            text => text,
        };
        assert_eq!((shape, got.end.as_str()), (text, end), "{fault}: {got:?}");
        assert_eq!(mock.request_count(), attempts, "{fault}");
    });
    futures::future::join_all(checks).await;
}

#[tokio::test]
async fn faults_go_together() {
    let (server, _) = mock(&["comments", "one-byte", "odd-chunks", "500*1"]).await;
    assert_eq!(ask(&server.base, "Hello").await.text, REPLY);
}

#[tokio::test]
async fn a_long_wait_is_handed_on_and_not_waited_for() {
    let (server, _) = mock(&["429:60"]).await;
    let error = client(&server.base, None).stream(request("Hello")).next().await.unwrap();
    assert_eq!(error.unwrap_err().retry_after, Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn reasoning_calls_and_usage_come_through_in_every_form() {
    for fault in [&[][..], &["odd-chunks"], &["one-byte"]] {
        let (server, _) = mock(fault).await;
        let got = ask(&server.base, "tool").await;
        assert_eq!(got.calls, " 0:give{\"item\":\"ale\"} 1:take{}", "{fault:?}");
        assert_eq!(
            (got.reasoning.as_str(), got.end.as_str(), got.usage),
            ("hm", "tool_calls", true)
        );
    }
    // Without streaming reasoning has no place of its own.
    let (server, _) = mock(&["json-answer"]).await;
    assert_eq!(ask(&server.base, "tool").await.calls, " 0:give{\"item\":\"ale\"} 1:take{}");
}

#[tokio::test]
async fn the_request_carries_what_was_asked_and_the_answer_is_played_from_it() {
    let (server, mock) = mock(&[]).await;
    let tool = ToolSpec { name: "give".into(), description: None, parameters: None };
    let asked = Request { tools: vec![tool], ..Request::clone(&request("Hello")) };
    let settings = ProviderSettings::new(&server.base, None).unwrap();
    let settings =
        LlmSettings { default: Some(settings), limits: limits(), ..LlmSettings::default() };
    let actor = Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE));
    let llm = Llm::new(settings, actor).unwrap();
    let got = put_together(llm.stream(Arc::new(asked)).collect().await);
    assert_eq!((got.text.as_str(), got.usage), (REPLY, true));
    let seen = &mock.requests()[0];
    assert_eq!(seen["model"], "some/model");
    assert_eq!(seen["messages"][1]["content"], "Hello");
    assert_eq!(seen["tools"][0]["function"]["name"], "give");

    let scripted = Request { model: "scripted/any".into(), ..Request::clone(&request("Hello")) };
    let got = put_together(llm.stream(Arc::new(scripted)).collect().await);
    assert!(got.text.contains("<speech>") && got.end == "stop", "{got:?}");
    assert_eq!(mock.request_count(), 1);
}

/// Answers every request with the same bytes, in the given pieces.
async fn recorded(content_type: &'static str, pieces: Vec<Bytes>) -> Served {
    let app = Router::new().route(
        "/v1/chat/completions",
        post(async move || {
            let body = Body::from_stream(stream::iter(pieces).map(Ok::<_, Infallible>));
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }),
    );
    serving(app).await
}

#[tokio::test]
async fn recorded_bodies_are_read_as_their_providers_mean_them() {
    let chunk = |text: &str| {
        format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n")
    };
    let stop = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for (name, body, text, end) in [
        ("no [DONE]", format!("{}{stop}", chunk("a")), "a", "stop"),
        ("no empty line at the end", format!("{}{}", chunk("a"), stop.trim_end()), "a", "stop"),
        ("[DONE] without its empty line", format!("{}data: [DONE]", chunk("a")), "a", "unknown"),
        ("[DONE] alone", format!("{}data: [DONE]\n\n", chunk("a")), "a", "unknown"),
        ("cut in a chunk", format!("{}data: {{\"choi", chunk("a")), "a", "Provider"),
        (
            "an error after the reason",
            format!("{}{stop}data: {{\"error\":1}}\n\n", chunk("a")),
            "a",
            "stop",
        ),
        ("rubbish", format!("{}data: rubbish\n\n", chunk("a")), "a", "Provider"),
        (
            "another model",
            format!("data: {{\"model\":\"m2\"}}\n\n{}{stop}", chunk("a")),
            "[m2]a",
            "stop",
        ),
        ("carriage returns", format!("{}{stop}", chunk("a")).replace('\n', "\r"), "a", "stop"),
        ("reset before the first piece", "data: {\"choices\":[]}\n\n".into(), "", "Provider"),
        (
            "an in-band 401",
            "data: {\"error\":{\"code\":401,\"message\":\"m\"}}\n\n".into(),
            "",
            "Auth",
        ),
    ] {
        let server = recorded("text/event-stream", vec![body.into()]).await;
        let got = ask(&server.base, "Hello").await;
        assert_eq!((got.text.as_str(), got.end.as_str()), (text, end), "{name}");
    }
}

#[tokio::test]
async fn the_bytes_on_the_wire_are_bounded() {
    // Many comments; one line without an end.
    for line in [format!(": {}\n", "x".repeat(64 * 1024)), "x".repeat(64 * 1024)] {
        let server = recorded("text/event-stream", vec![Bytes::from(line); 200]).await;
        assert_eq!(ask(&server.base, "Hello").await.end, "Timeout");
    }
}

#[tokio::test]
async fn a_json_document_may_be_an_error_or_cut() {
    for (body, end) in [
        ("{\n \"error\": {\"code\": 402, \"message\": \"no credit\"}\n}", "Auth"),
        ("{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}", "stop"),
        ("{\"choices\":[{\"mess", "Provider"),
        ("", "Provider"),
    ] {
        let server = recorded("application/json; charset=utf-8", vec![body.into()]).await;
        assert_eq!(ask(&server.base, "Hello").await.end, end, "{body}");
    }
}

#[tokio::test]
async fn a_provider_that_repeats_the_key_doesnt_get_it_into_an_error() {
    let body = format!("{}{KEY}{KEY}", "x".repeat(290));
    let app = Router::new().route(
        "/v1/chat/completions",
        post(async move || (StatusCode::UNAUTHORIZED, body.clone())),
    );
    let server = serving(app).await;
    let all: Vec<_> = client(&server.base, Some(KEY)).stream(request("Hello")).collect().await;
    let cause = all[0].clone().unwrap_err().cause;
    assert!(!cause.contains("sk-"), "{cause}");
}

#[tokio::test]
async fn a_key_is_sent_only_if_there_is_one_and_redirects_are_not_followed() {
    let app = Router::new().route(
        "/v1/chat/completions",
        post(async |headers: HeaderMap| -> Response {
            let key =
                headers.get(header::AUTHORIZATION).map(|key| key.to_str().unwrap().to_owned());
            let chunk =
                serde_json::json!({"choices": [{"delta": {"content": format!("{key:?}")}}]});
            let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
            ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }),
    );
    let app = app.route(
        "/moved/chat/completions",
        post(async || {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, "/v1/chat/completions")])
        }),
    );
    let server = serving(app).await;
    for (key, expected) in [(None, "None"), (Some(KEY), "Some(\"Bearer sk-secret-123\")")] {
        let got = put_together(client(&server.base, key).stream(request("Hello")).collect().await);
        assert_eq!(got.text, expected);
    }
    let moved = server.base.replace("/v1", "/moved");
    assert_eq!(ask(&moved, "Hello").await.end, "Provider");
}

#[tokio::test]
async fn a_refused_connection_is_tried_three_times() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let all: Vec<_> = client(&base, None).stream(request("Hello")).collect().await;
    let error = all[0].clone().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Provider);
    assert!(error.message.contains("can't be reached"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_first_piece_is_tried_again() {
    let count = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&count);
    let server = served(async move |listener| loop {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        let body = match seen.fetch_add(1, Ordering::SeqCst) {
            // Headers, a comment and the role: nothing that was passed on.
            0 => ": hi\n\ndata: {\"model\":\"m\",\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n",
            _ => "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n",
        };
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
        let answer = format!("{head}content-length: {}\r\n\r\n{body}", body.len() + 10);
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let got = ask(&server.base, "Hello").await;
    assert_eq!((got.text.as_str(), got.end.as_str()), ("a", "unknown"));
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_whole_reply() {
    let ports = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&ports);
    let app = Router::new().route(
        "/v1/chat/completions",
        post(async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
            seen.lock().unwrap().insert(peer.port());
            let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
            // The end of the body comes on its own, a moment after the last piece.
            let pieces = stream::iter([chunk, "data: [DONE]\n\n"]).chain(stream::once(async {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
                ""
            }));
            let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
            ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }),
    );
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let server = served(async move |listener| axum::serve(listener, app).await.unwrap()).await;
    let client = client(&server.base, None);
    for _ in 0..5 {
        assert_eq!(put_together(client.stream(request("Hello")).collect().await).text, "a");
    }
    assert_eq!(ports.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let mut stream = client(&base, None).stream(request("Hello"));

    // In the middle of the reply, while the provider is silent.
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
        let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n";
        socket.write_all(format!("{head}{chunk}").as_bytes()).await.unwrap();
        socket
    };
    let (mut socket, first) = tokio::join!(server, stream.next());
    assert_eq!(first.unwrap().unwrap(), Delta::Text("a".to_owned()));
    drop(stream);
    assert_closed(&mut socket).await;

    // Before the answer has begun.
    let mut stream = client(&base, None).stream(request("Hello"));
    let server = async {
        let (mut socket, _) = listener.accept().await.unwrap();
        read_request(&mut socket).await;
        socket
    };
    let mut socket = tokio::select! {
        socket = server => socket,
        _ = stream.next() => panic!("nobody answered"),
    };
    drop(stream);
    assert_closed(&mut socket).await;
}

/// Reads a whole request: its body is one JSON object.
async fn read_request(socket: &mut TcpStream) {
    let mut request = Vec::new();
    while request.last() != Some(&b'}') {
        assert!(socket.read_buf(&mut request).await.unwrap() > 0);
    }
}

async fn assert_closed(socket: &mut TcpStream) {
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(5), socket.read_to_end(&mut rest)).await;
    assert!(closed.is_ok() && rest.is_empty(), "the connection is still open");
}

#[tokio::test]
async fn the_mock_answers_what_is_not_a_stream_too() {
    let (server, mock) = mock(&[]).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let root = server.base.trim_end_matches("/v1");
    for (path, part) in [("/v1/models", "\"mock\""), ("/models", "list"), ("/health", "ok")] {
        let text = http.get(format!("{root}{path}")).send().await.unwrap().text().await.unwrap();
        assert!(text.contains(part), "{path}: {text}");
    }
    let post = async |body: &str| {
        let url = format!("{root}/chat/completions");
        let response = http.post(url).body(body.to_owned()).send().await.unwrap();
        (response.status().as_u16(), response.json::<serde_json::Value>().await.unwrap())
    };
    let (status, answer) = post(r#"{"messages":[{"role":"user","content":"Hello"}]}"#).await;
    assert_eq!((status, &answer["choices"][0]["message"]["content"]), (200, &REPLY.into()));
    assert_eq!(post("{").await.0, 400);
    assert_eq!(post("{}").await.0, 400);
    assert_eq!(mock.request_count(), 2);
}

#[tokio::test]
async fn the_mock_ends_at_its_shutdown_even_while_a_reply_stalls() {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (ended, end) = tokio::sync::oneshot::channel();
    let actor = Actor::new(Script::builtin(), Pace::default());
    let mock = MockLlm::new(actor, vec!["stall-midway".parse().unwrap()]);
    let server = served(async move |listener| {
        serve(listener, mock, async { drop(stopped.await) }).await.unwrap();
        ended.send(()).unwrap();
    })
    .await;
    let mut stream = client(&server.base, None).stream(request("Hello"));
    stream.next().await.unwrap().unwrap();
    stop.send(()).unwrap();
    tokio::time::timeout(Duration::from_secs(5), end).await.unwrap().unwrap();
}

/// A body with everything in it, as bytes.
fn full_body() -> Vec<u8> {
    let text = "Grüße, 你好 👋";
    format!(
        ": OPENROUTER PROCESSING\n\n\
         data: {{\"model\":\"m2\",\"choices\":[{{\"delta\":{{\"role\":\"assistant\",\"content\":\"\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"delta\":{{\"reasoning\":\"{text}\"}}}}]}}\r\n\r\n\
         : keep-alive\n\
         data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\"}}}}]}}\n\n\
         data: {{\"choices\":[{{\"delta\":{{\"tool_calls\":[{{\"id\":\"c\",\"function\":{{\"name\":\"f\",\"arguments\":\"{{}}\"}}}}]}}}}]}}\n\n\
         data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"length\"}}]}}\n\n\
         data: {{\"choices\":[],\"usage\":{{\"prompt_tokens\":1,\"completion_tokens\":2}}}}\n\n\
         data: [DONE]\n\n"
    )
    .into_bytes()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_way_of_cutting_a_body_gives_the_same_deltas(
        cuts in proptest::collection::vec(1_usize..60, 1..80),
    ) {
        let body = full_body();
        let (mut pieces, mut rest) = (Vec::new(), body.as_slice());
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(Bytes::copy_from_slice(piece));
            rest = after;
        }
        pieces.push(Bytes::copy_from_slice(rest));
        pieces.retain(|piece| !piece.is_empty());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let deltas = |pieces: Vec<Bytes>| runtime.block_on(async {
            let server = recorded("text/event-stream", pieces).await;
            let all: Vec<_> = client(&server.base, None).stream(request("Hello")).collect().await;
            all.into_iter().map(Result::unwrap).collect::<Vec<_>>()
        });
        let whole = deltas(vec![body.into()]);
        prop_assert_eq!(whole.len(), 6);
        prop_assert_eq!(deltas(pieces), whole);
    }
}

/// The default endpoint and Groq, each played by a mock, and a fallback from the one to the other.
async fn two_providers(faults: &[&str]) -> ((Served, MockLlm), (Served, MockLlm), Llm) {
    let (first, second) = (mock(faults).await, mock(&[]).await);
    let endpoint = |server: &Served| Some(ProviderSettings::new(&server.base, Some(KEY)).unwrap());
    let settings = LlmSettings {
        default: endpoint(&first.0),
        groq: endpoint(&second.0),
        fallbacks: vec!["gemini/no-key".to_owned(), "groq/maker/other".to_owned()],
        limits: limits(),
        ..LlmSettings::default()
    };
    let actor = Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE));
    let llm = Llm::new(settings, actor).unwrap();
    (first, second, llm)
}

#[tokio::test]
async fn where_a_model_fails_before_it_speaks_the_next_is_asked() {
    for fault in ["401", "402", "429:60", "503", "html", "stall-after-connect"] {
        let (first, second, llm) = two_providers(&[fault]).await;
        let got = put_together(llm.stream(request("Hello")).collect().await);
        assert_eq!(got.text, format!("[groq/maker/other]{REPLY}"), "{fault}");
        assert!(first.1.request_count() > 0, "{fault}");
        assert_eq!(second.1.requests()[0]["model"], "maker/other", "{fault}");
        assert_eq!(llm.load().under_way, 0, "{fault}");
    }
}

#[tokio::test]
async fn once_it_has_spoken_or_was_refused_nobody_else_is_asked() {
    for (fault, end) in [("truncated", "Provider"), ("403-moderation", "Refused")] {
        let (_first, second, llm) = two_providers(&[fault]).await;
        let got = put_together(llm.stream(request("Hello")).collect().await);
        assert_eq!((got.end.as_str(), second.1.request_count()), (end, 0), "{fault}");
    }
}

#[tokio::test]
async fn a_refused_key_is_told_by_the_name_of_its_setting() {
    let app = Router::new().fallback(async || StatusCode::UNAUTHORIZED);
    let server = serving(app).await;
    let endpoint = || Some(ProviderSettings::new(&server.base, Some(KEY)).unwrap());
    let settings = LlmSettings {
        deepseek: endpoint(),
        groq: endpoint(),
        gemini: endpoint(),
        local: endpoint(),
        limits: limits(),
        ..LlmSettings::default()
    };
    let actor = Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE));
    let llm = Llm::new(settings, actor).unwrap();
    for (model, setting) in [
        ("deepseek-chat", "DEEPSEEK_API_KEY"),
        ("llama-3.1-8b-instant", "GROQ_API_KEY"),
        ("gemini/gemini-3-flash-preview", "GEMINI_API_KEY"),
        ("local/qwen3", "DRAMATIS_LOCAL_KEY"),
    ] {
        let asked = Request { model: model.to_owned(), ..Request::clone(&request("Hello")) };
        let answer = llm.stream(Arc::new(asked)).next().await.unwrap();
        assert!(answer.unwrap_err().message.contains(setting), "{model}");
    }
}

#[tokio::test]
async fn openrouter_is_told_who_asks_and_is_asked_what_it_cost() {
    let app = Router::new().route(
        "/v1/chat/completions",
        post(async |headers: HeaderMap, body: String| -> Response {
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            let text = |name: &str| headers.get(name).map(|it| it.to_str().unwrap().to_owned());
            let told = format!("{:?} {:?}", text("http-referer"), text("x-title"));
            let told = format!("{told} {}", body["usage"]);
            let chunk = serde_json::json!({"choices": [{"delta": {"content": told}}]});
            let body = format!("data: {chunk}\n\ndata: [DONE]\n\n");
            ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }),
    );
    let server = serving(app).await;
    let endpoint = || ProviderSettings::new(&server.base, Some(KEY)).unwrap();
    for (endpoint, expected) in [
        (
            endpoint().as_openrouter(),
            r#"Some("http://localhost") Some("dramatis") {"include":true}"#,
        ),
        (endpoint(), "None None null"),
    ] {
        let client = OpenAi::new(endpoint, Arc::new(limits())).unwrap();
        let got = put_together(client.stream(request("Hello")).collect().await);
        assert_eq!(got.text, expected);
    }
}

/// What a turn of this model used, as it goes on record.
async fn usage_of(llm: Llm, model: &str) -> Usage {
    let (session_id, agent_id) = (Id::from("s"), Id::from("bram"));
    let vocabulary = Arc::new(Vocabulary::standard());
    let mut generation = Generator::new(llm, PromptLimits::default()).start(GenerationPlan {
        form: Form::Game,
        session_id: &session_id,
        agent_id: &agent_id,
        state: &AgentState::default(),
        vocabulary: &vocabulary,
        history: &[],
        forgotten: 0,
        input: &[],
        unsettled: &[],
        follow_up: false,
        model,
        priority: 0,
    });
    while !matches!(generation.next().await, Step::Finished { .. }) {}
    let usage = generation.usage().unwrap().clone();
    let mut deltas = generation.into_sent().deltas.into_iter();
    assert!(deltas.any(|raw| raw.delta == Delta::Usage(usage.clone())), "{model}");
    usage
}

#[tokio::test]
async fn what_a_turn_cost_is_told_by_the_price_of_the_model_that_gave_it() {
    let ((server, _), (dead, _)) = (mock(&[]).await, mock(&["401"]).await);
    let at = |served: &Served| Some(ProviderSettings::new(&served.base, Some(KEY)).unwrap());
    let settings = LlmSettings {
        deepseek: at(&server),
        groq: at(&server),
        gemini: at(&dead),
        fallbacks: vec!["deepseek-chat".to_owned()],
        ..LlmSettings::default()
    };
    let llm = Llm::new(settings, Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE))).unwrap();
    for (model, priced_as) in [
        ("deepseek-reasoner", Some("deepseek-reasoner")),
        ("groq/some-model", None),
        ("gemini/gemini-3-flash-preview", Some("deepseek-chat")),
    ] {
        let usage = usage_of(llm.clone(), model).await;
        let price = priced_as.map(|it| llm.catalog().price(it).unwrap());
        assert_eq!(usage.cost, price.map(|price| price.of(&usage)), "{model}");
        assert!(usage.cost.is_none_or(|cost| cost > 0.0), "{model}");
    }
}

/// A provider that lists models.
async fn lists(ids: &'static [&'static str]) -> Served {
    let data: Vec<_> = ids.iter().map(|id| serde_json::json!({"id": id})).collect();
    let body = serde_json::json!({ "data": data }).to_string();
    let app = Router::new().route("/v1/models", get(async move || body.clone()));
    serving(app).await
}

/// One that takes connections and says nothing.
async fn silent() -> Served {
    served(async |listener| {
        let mut kept = Vec::new();
        while let Ok((socket, _)) = listener.accept().await {
            kept.push(socket);
        }
    })
    .await
}

#[tokio::test]
async fn a_provider_that_says_nothing_holds_up_neither_the_others_nor_their_lists() {
    let (slow, groq, (speaking, mock)) =
        (silent().await, lists(&["llama-3", "whisper-1"]).await, mock(&[]).await);
    let endpoint = |server: &Served| Some(ProviderSettings::new(&server.base, None).unwrap());
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = format!("http://{}/v1", dead.local_addr().unwrap());
    let settings = LlmSettings {
        default: endpoint(&slow),
        groq: endpoint(&groq),
        deepseek: endpoint(&speaking),
        local: Some(ProviderSettings::new(&dead, None).unwrap()),
        limits: limits(),
        ..LlmSettings::default()
    };
    let llm = Llm::new(settings, Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE))).unwrap();
    let folder = tempfile::tempdir().unwrap();
    llm.catalog().keep_in(folder.path().join("models.json"));
    let mut tasks = JoinSet::new();
    let catalog = llm.catalog().clone();
    tasks.spawn(async move { catalog.follow().await });
    let mut stuck = llm.stream(request("Hello"));
    assert!(stuck.next().now_or_never().is_none());

    let asked = Request { model: "deepseek-chat".to_owned(), ..Request::clone(&request("Hello")) };
    let got = put_together(llm.stream(Arc::new(asked)).collect().await);
    assert_eq!((got.text.as_str(), mock.request_count()), (REPLY, 1));
    let file = folder.path().join("models.json");
    let kept = async {
        while !file.exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), kept).await.unwrap();
    let listed: Vec<_> = llm.catalog().models().into_iter().map(|model| model.id).collect();
    assert_eq!(listed, ["deepseek-chat", "deepseek-reasoner", "groq/llama-3", "scripted/actor"]);
    assert_eq!(llm.catalog().models()[2].name, "[Groq] llama-3");
}

#[tokio::test]
async fn only_models_that_a_game_may_name_are_offered() {
    let at = || Some(ProviderSettings::new("http://127.0.0.1:1/v1", Some(KEY)).unwrap());
    let settings = LlmSettings { deepseek: at(), gemini: at(), ..LlmSettings::default() };
    let llm = Llm::new(settings, Arc::new(Actor::new(Script::builtin(), Pace::AT_ONCE))).unwrap();
    let check = |allowed: &str, own: &str, expected: &[&str]| {
        let generator = Generator::new(llm.clone(), PromptLimits::default())
            .allowing(AllowedModels::from_list(allowed));
        let offered: Vec<_> = generator.offered_models(own).into_iter().map(|it| it.id).collect();
        assert_eq!(offered, expected, "{allowed} beside {own}");
        assert!(offered.iter().all(|model| generator.allows(model, own)));
    };
    let flash = "gemini/gemini-3-flash-preview";
    check("gemini/*-flash-preview, dear/model", "else", &[flash, "scripted/actor"]);
    check("deepseek-chat", flash, &[flash, "deepseek-chat", "scripted/actor"]);
    let all: Vec<_> = llm.catalog().models().into_iter().map(|model| model.id).collect();
    check("", "else", &all.iter().map(String::as_str).collect::<Vec<_>>());
}
