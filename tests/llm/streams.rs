//! The streams of each provider as they come (`tests/data/streams`), played over a real socket in
//! pieces of any size: always the same deltas. A file's first line of expectations names the model
//! that was asked, and says what is special.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use dramatis::llm::Gemini;
use serde_json::{Value, json};

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

/// A body, how it is served, and what it has to give.
struct Recorded {
    name: String,
    body: Vec<u8>,
    content_type: &'static str,
    asked: String,
    expected: Vec<Value>,
}

fn recordings() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/streams");
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.ends_with(".expected.jsonl") {
            files.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), path);
        }
    }
    let read = |(name, path): (String, PathBuf)| {
        let text = std::fs::read_to_string(folder.join(format!("{name}.expected.jsonl"))).unwrap();
        let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let asked = lines.next().unwrap()["asked"].as_str().unwrap().to_owned();
        let is_json = path.extension().is_some_and(|it| it == "json");
        let content_type = if is_json { "application/json" } else { "text/event-stream" };
        let (body, expected) = (std::fs::read(path).unwrap(), lines.collect());
        Recorded { name, body, content_type, asked, expected }
    };
    files.into_iter().map(read).collect()
}

/// Serves the pieces that are put there, and has the client that asks for them.
struct Stage {
    pieces: Arc<Mutex<Vec<Bytes>>>,
    provider: Box<dyn Provider>,
    _server: Served,
}

impl Stage {
    async fn of(recorded: &Recorded) -> Self {
        let pieces: Arc<Mutex<Vec<Bytes>>> = Arc::default();
        let served_pieces = Arc::clone(&pieces);
        let content_type = recorded.content_type;
        let app = Router::new().fallback(async move || {
            let pieces = served_pieces.lock().unwrap().clone();
            // While it waits, what has been written is sent: each piece reaches the socket alone.
            let pieces = stream::iter(pieces).then(async |piece| {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(piece)
            });
            ([(header::CONTENT_TYPE, content_type)], Body::from_stream(pieces)).into_response()
        });
        let server = serving(app).await;
        let settings = ProviderSettings::new(&server.base, Some(KEY)).unwrap();
        let limits = Arc::new(Limits {
            // What fails is not to be tried again: the same would come.
            attempts: 1,
            // A busy machine is no fault of the stream's.
            first_token: PATIENCE,
            silence: PATIENCE,
            after_finish: PATIENCE,
            ..limits()
        });
        let provider: Box<dyn Provider> = if recorded.name.starts_with("gemini") {
            Box::new(Gemini::new(settings, limits).unwrap())
        } else {
            Box::new(OpenAi::new(settings, limits).unwrap())
        };
        Self { pieces, provider, _server: server }
    }

    /// What comes of the body in these pieces.
    async fn play(&self, recorded: &Recorded, pieces: Vec<Bytes>) -> Vec<Value> {
        *self.pieces.lock().unwrap() = pieces;
        let asked = Request { model: recorded.asked.clone(), ..Request::clone(&request("Hi")) };
        let all: Vec<_> = self.provider.stream(Arc::new(asked)).collect().await;
        let told = all.into_iter().map(|item| match item {
            Ok(delta) => serde_json::to_value(delta).unwrap(),
            Err(error) => json!({"error": format!("{:?}", error.kind)}),
        });
        told.collect()
    }
}

fn pieces_of(body: &[u8], size: usize) -> Vec<Bytes> {
    body.chunks(size).map(Bytes::copy_from_slice).collect()
}

#[tokio::test]
async fn each_recorded_stream_gives_its_deltas_however_it_is_cut() {
    let recordings = recordings();
    assert!(recordings.len() > 30, "the recordings are not there");
    let checks = recordings.iter().map(async |recorded| {
        let stage = Stage::of(recorded).await;
        for size in [recorded.body.len(), 1, 2, 3, 5, 7, 64, 1000] {
            let got = stage.play(recorded, pieces_of(&recorded.body, size)).await;
            assert_eq!(got, recorded.expected, "{} in pieces of {size}", recorded.name);
        }
    });
    futures::future::join_all(checks).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn random_cuts_change_nothing_for_any_provider(
        cuts in proptest::collection::vec(1_usize..200, 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for recorded in recordings() {
                let (mut pieces, mut rest) = (Vec::new(), recorded.body.as_slice());
                for cut in &cuts {
                    let (piece, after) = rest.split_at((*cut).min(rest.len()));
                    pieces.push(Bytes::copy_from_slice(piece));
                    rest = after;
                }
                pieces.push(Bytes::copy_from_slice(rest));
                pieces.retain(|piece| !piece.is_empty());
                let got = Stage::of(&recorded).await.play(&recorded, pieces).await;
                assert_eq!(got, recorded.expected, "{} cut at {cuts:?}", recorded.name);
            }
        });
    }
}

/// Wherever the connection ends, the reply is a beginning of the whole one, and then either an error
/// or, if its reason had come, its end.
#[tokio::test]
async fn a_body_that_ends_anywhere_gives_a_beginning_and_an_error() {
    let names = ["openai-tool-calls", "openrouter", "gemini-tools"];
    let checks = names.map(async |name| {
        let recorded = recordings().into_iter().find(|it| it.name == name).unwrap();
        let stage = Stage::of(&recorded).await;
        for end in 0..recorded.body.len() {
            let cut = Bytes::copy_from_slice(&recorded.body[..end]);
            let mut got = stage.play(&recorded, vec![cut]).await;
            let last = got.pop().unwrap();
            got.retain(|delta| delta.get("usage").is_none());
            assert!(recorded.expected.starts_with(&got), "{name} ended at {end}: {got:?}");
            let is_whole = Some(&last) == recorded.expected.last();
            assert!(is_whole || last == json!({"error": "Provider"}), "{name} at {end}: {last}");
        }
    });
    futures::future::join_all(checks).await;
}

#[tokio::test]
async fn what_gemini_sends_is_bounded_and_its_refusals_are_understood() {
    let check = async |status: u16, kind: &'static str, body: String, expected: ErrorKind| {
        let app = Router::new().fallback(async move || {
            let status = StatusCode::from_u16(status).unwrap();
            (status, [(header::CONTENT_TYPE, kind)], body).into_response()
        });
        let server = serving(app).await;
        let settings = ProviderSettings::new(&server.base, Some(KEY)).unwrap();
        let settings = settings.with_key_of("GEMINI_API_KEY");
        let gemini = Gemini::new(settings, Arc::new(limits())).unwrap();
        let all: Vec<_> = gemini.stream(request("Hi")).collect().await;
        let error = all.into_iter().last().unwrap().unwrap_err();
        assert_eq!(error.kind, expected, "{error:?}");
        assert!(!format!("{error:?}").contains(KEY), "{error:?}");
        error
    };
    let google = |code: u16, reason: &str, more: &str| {
        json!({"error": {"code": code, "message": format!("the key {KEY} {more}"),
            "status": "X", "details": [{"reason": reason}, {"retryDelay": "38s"}]}})
        .to_string()
    };
    let json = "application/json; charset=UTF-8";
    let error = check(400, json, google(400, "API_KEY_INVALID", ""), ErrorKind::Auth).await;
    assert!(error.message.contains("GEMINI_API_KEY"), "{error}");
    let error = check(429, json, google(429, "", ""), ErrorKind::RateLimited).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(38)));
    check(500, "text/html", "<h1>Error</h1>".to_owned(), ErrorKind::Provider).await;
    check(200, "text/html", "<h1>Sign in</h1>".to_owned(), ErrorKind::Provider).await;
    let sse = "text/event-stream";
    let event = format!("data: {}\n\n", google(429, "", ""));
    let error = check(200, sse, event, ErrorKind::RateLimited).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(38)));
    check(200, sse, "x".repeat(9 * 1024 * 1024), ErrorKind::Timeout).await;
    let part = json!({"candidates": [{"content": {"parts": [{"text": "a".repeat(10_000)}]}}]});
    check(200, sse, format!("data: {part}\n\n").repeat(200), ErrorKind::Timeout).await;
}
