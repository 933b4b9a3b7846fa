//! Looking things up over a real store, with embedders that answer, fail or dawdle.

use std::pin::pin;
use std::sync::Mutex;

use axum::Json;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use dramatis_protocol::Origin;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::embed::{EmbedError, Endpoint, unit};
use super::*;
use crate::assets::{Assets, Library};
use crate::llm::ProviderSettings;
use crate::record::{PastTurn, PieceSource};

fn id(text: &str) -> Id {
    text.into()
}

async fn store() -> Store {
    let store = Store::in_memory().unwrap();
    store.open_session(&id("s"), true).await.unwrap();
    store
}

/// One turn, with what is remembered of it.
async fn live(retriever: &Retriever, turn: &str, heard: &str, answered: &str) {
    let (session, agent, turn) = (id("s"), id("guard"), id(turn));
    let past = PastTurn {
        turn_id: turn.clone(),
        origin: Origin::Llm,
        event_ids: Vec::new(),
        input: Vec::new(),
        tags: Vec::new(),
        end: None,
        result: None,
    };
    let started = Write::TurnStarted { session: session.clone(), agent: agent.clone(), turn: past };
    retriever.store.submit(started).await.await.unwrap();
    let exchange =
        Exchange { session: &session, agent: &agent, turn: &turn, heard, name: "Ned", answered };
    retriever.remember(&exchange).await.unwrap().await.unwrap();
}

async fn ask(retriever: &Retriever, text: &str, shown: &[Id]) -> Retrieved {
    let question = Question {
        text,
        world: Some("tavern"),
        character: Some("maren"),
        session: &id("s"),
        agent: &id("guard"),
        shown,
        lore: 2,
        memories: 1,
    };
    retriever.look_up(&question).await
}

fn texts(pieces: &[Piece]) -> Vec<&str> {
    pieces.iter().map(|piece| &*piece.text).collect()
}

#[tokio::test]
async fn what_fits_is_found_and_the_rest_is_told_with_the_reason() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    let world = ["The mill burnt down in spring.", "Ducks swim on the pond."];
    retriever.index_lore(LoreOf::World("tavern"), &world).await.unwrap();
    let secret = ["Maren set the mill on fire."];
    retriever.index_lore(LoreOf::Character("maren"), &secret).await.unwrap();
    let other = ["Oswin saw who was at the mill."];
    retriever.index_lore(LoreOf::Character("oswin"), &other).await.unwrap();
    live(&retriever, "t1", "Where is the mill?", "Down by the river.").await;
    live(&retriever, "t2", "Who owns the mill?", "Grete does, the mill is hers.").await;
    live(&retriever, "t3", "And the mill?", "What of it?").await;

    let found = ask(&retriever, "Tell me of the mill", &[id("t3")]).await;
    let mut lore = texts(&found.lore);
    lore.sort_unstable();
    assert_eq!(lore, ["Maren set the mill on fire.", "The mill burnt down in spring."]);
    let [memory] = found.memories.as_slice() else { panic!("{:?}", found.memories) };
    assert_eq!(memory.source, PieceSource::Memory { turn_id: id("t2") });
    assert_eq!(memory.text, "Who owns the mill?\nNed: Grete does, the mill is hers.");
    assert_eq!(memory.reason, "words: mill");
    assert_eq!(found.report.terms, ["mill"]);
    let mut left: Vec<_> = found
        .report
        .left_out
        .iter()
        .map(|left| (format!("{:?}", left.piece.source), left.because))
        .collect();
    left.sort_by(|(one, _), (other, _)| one.cmp(other));
    let memory = |turn: &str| format!("{:?}", PieceSource::Memory { turn_id: id(turn) });
    let expected = [(memory("t1"), LeftOutBecause::Enough), (memory("t3"), LeftOutBecause::Shown)];
    assert_eq!(left, expected);
}

#[tokio::test]
async fn the_agents_own_name_finds_nothing_and_nothing_is_asked_with_common_words() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    live(&retriever, "t1", "Good morning", "Hello there").await;
    for text in ["Ned!", "what is it?", "", "  "] {
        let found = ask(&retriever, text, &[]).await;
        assert_eq!((found.memories, found.report.left_out), (Vec::new(), Vec::new()), "{text}");
    }
    let (session, agent, turn) = (id("s"), id("guard"), id("t1"));
    let silence = Exchange {
        session: &session,
        agent: &agent,
        turn: &turn,
        heard: " ",
        name: "Ned",
        answered: "\n",
    };
    assert_eq!(Retriever::memory(&silence), None);
}

#[test]
fn of_a_long_exchange_the_answer_and_what_was_said_last_are_remembered() {
    let (session, agent, turn) = (id("s"), id("guard"), id("t1"));
    let remember = |heard: &str, answered: &str| {
        let (session, agent, turn) = (&session, &agent, &turn);
        let exchange = Exchange { session, agent, turn, heard, name: "Ned", answered };
        Retriever::memory_of(&exchange).unwrap()
    };
    let rumours = "Crowd: rhubarb\n".repeat(400);
    let heard = format!("Bell: dawn\n{rumours}Aldo: Where is the sword?");
    let memory = remember(&heard, "Below the stone.");
    assert!(memory.body.ends_with("rhubarb\nAldo: Where is the sword?\nNed: Below the stone."));
    assert!(memory.body.chars().count() <= MEMORY_CHARS + "Ned: \n".len());
    for (term, is_there) in [("sword", true), ("stone", true), ("dawn", false), ("ned", false)] {
        assert_eq!(memory.terms.iter().any(|it| it == term), is_there, "{term}");
    }

    let both = remember(&"山".repeat(3_000), &"水".repeat(3_000)).body;
    assert_eq!(both, format!("{}\nNed: {}", "山".repeat(2_000), "水".repeat(2_000)));
    let answer = remember("Aldo: Well?", &"水".repeat(3_900)).body;
    assert_eq!(answer, format!("Aldo: Well?\nNed: {}", "水".repeat(3_900)), "there is room");
}

#[tokio::test]
async fn attached_lore_stays_when_the_worlds_file_changes() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    let attached = LoreOf::Attached("tavern");
    for expected in [Attached::New, Attached::Known] {
        let became = retriever.attach_lore(attached, "A dragon came to the mill.").await.unwrap();
        assert_eq!(became, expected);
    }
    retriever.index_lore(LoreOf::World("tavern"), &["The dragon is red."]).await.unwrap();
    retriever.index_lore(LoreOf::World("tavern"), &[]).await.unwrap();
    let found = ask(&retriever, "dragon", &[]).await;
    assert_eq!(texts(&found.lore), ["A dragon came to the mill."]);
}

/// To join its pieces the whole index is written.
#[tokio::test]
async fn the_index_of_lore_is_joined_once_after_many_changes_and_not_for_what_is_attached() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    let library = Library::open(None).unwrap();
    for world in ["mill", "tavern"] {
        retriever.index_lore(LoreOf::World(world), &["It stands."]).await.unwrap();
    }
    assert_eq!(retriever.store.lore_pieces().await, 2);
    retriever.index_assets(&library.current()).await.unwrap();
    assert_eq!(retriever.store.lore_pieces().await, 1);
    retriever.attach_lore(LoreOf::Attached("tavern"), "It is old.").await.unwrap();
    retriever.index_assets(&library.current()).await.unwrap();
    assert_eq!(retriever.store.lore_pieces().await, 2, "nothing changed in the files");
}

#[tokio::test]
async fn of_several_that_index_the_assets_the_newest_have_the_last_word() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    let current = Mutex::new(Library::open(None).unwrap().current());
    let another = retriever.indexing.lock().await;
    let mut late = pin!(retriever.index_newest(|| Arc::clone(&current.lock().unwrap())));
    assert!(futures::poll!(&mut late).is_pending());
    *current.lock().unwrap() = Arc::default();
    drop(another);
    late.await.unwrap();
    assert_eq!(retriever.store.lore_names().await.unwrap(), BTreeSet::new());
}

#[tokio::test]
async fn lore_that_is_in_no_file_is_indexed_anew_with_the_terms_of_today() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    let attached = LoreOf::Attached("tavern");
    let text = |body: &str| Findable { body: body.to_owned(), terms: vec!["ancient".to_owned()] };
    let old = LoreChunk { hash: 7, text: text("The mill burnt.") };
    retriever.store.add_lore(&attached.name(), vec![old]).await.unwrap();
    retriever.index_assets(&Assets::default()).await.unwrap();
    assert_eq!(texts(&ask(&retriever, "mills", &[]).await.lore), ["The mill burnt."]);
    let became = retriever.attach_lore(attached, "The mill burnt.").await.unwrap();
    assert_eq!(became, Attached::Known);
}

#[tokio::test]
async fn a_store_that_fails_costs_the_reminders_and_is_told() {
    let store = store().await;
    let retriever = Retriever::new(store.clone(), Settings::default(), None);
    store.close().await;
    let found = ask(&retriever, "mill", &[]).await;
    assert!(found.lore.is_empty() && found.memories.is_empty());
    assert!(found.report.faults.iter().any(|fault| fault.contains("closed")), "{found:?}");
}

/// What an embedder of a test does.
#[derive(Clone, Copy, PartialEq)]
enum Mood {
    Willing,
    Failing,
    Dawdling,
    /// Refuses whatever is asked together with a curse.
    Pious,
}

/// How a poet is, and what it was asked.
struct Muse {
    mood: Mutex<Mood>,
    asked: Mutex<Vec<Vec<String>>>,
}

/// Knows two meanings: fire and water.
struct Poet {
    name: &'static str,
    muse: Arc<Muse>,
}

impl Embed for Poet {
    fn model(&self) -> &str {
        self.name
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
        let mood = *self.muse.mood.lock().unwrap();
        self.muse.asked.lock().unwrap().push(texts.clone());
        let has = |text: &str, words: [&str; 3]| words.iter().any(|word| text.contains(word));
        async move {
            match mood {
                Mood::Failing => return Err(EmbedError::Endpoint("no muse".to_owned())),
                Mood::Dawdling => std::future::pending::<()>().await,
                Mood::Pious if texts.iter().any(|text| text.contains("curse")) => {
                    return Err(EmbedError::Refused("no curses".to_owned()));
                }
                Mood::Willing | Mood::Pious => {}
            }
            let vector = |text: &String| {
                let fire = f32::from(u8::from(has(text, ["flame", "burn", "ember"])));
                let water = f32::from(u8::from(has(text, ["river", "drown", "wet"])));
                unit(vec![fire, water, 0.1]).unwrap()
            };
            Ok(texts.iter().map(vector).collect())
        }
        .boxed()
    }
}

fn poet(store: &Store, name: &'static str) -> (Retriever, Arc<Muse>) {
    let muse = Arc::new(Muse { mood: Mutex::new(Mood::Willing), asked: Mutex::default() });
    let poet = Arc::new(Poet { name, muse: Arc::clone(&muse) });
    (Retriever::new(store.clone(), Settings::default(), Some(poet)), muse)
}

/// The texts of a world's lore that have no vector yet.
async fn without_vector(store: &Store, world: &str) -> Vec<String> {
    let scope = LoreOf::World(world).scope();
    let missing = store.without_vector(scope, "poet", 0, 1_000).await.unwrap();
    missing.into_iter().map(|(_, text)| text).collect()
}

async fn index_many(retriever: &Retriever, world: &str, count: usize) {
    let texts: Vec<String> = (0..count).map(|count| format!("{world} {count}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    retriever.index_lore(LoreOf::World(world), &texts).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn meaning_finds_what_words_do_not() {
    let store = store().await;
    let (retriever, muse) = poet(&store, "poet");
    let world = ["The mill is all embers.", "Somebody drowned here.", "A dull place."];
    retriever.index_lore(LoreOf::World("tavern"), &world).await.unwrap();
    retriever.settle().await;
    let found = ask(&retriever, "flames", &[]).await;
    assert_eq!(texts(&found.lore), ["The mill is all embers."]);
    assert_eq!(found.lore[0].reason, "meaning: 1.00");
    assert_eq!(found.report.model.as_deref(), Some("poet"));
    let because: Vec<_> = found.report.left_out.iter().map(|left| left.because).collect();
    assert_eq!(because, [LeftOutBecause::Irrelevant; 2]);

    for bad in [Mood::Failing, Mood::Dawdling] {
        *muse.mood.lock().unwrap() = bad;
        let found = ask(&retriever, "the flames of the mill", &[]).await;
        assert_eq!(texts(&found.lore), ["The mill is all embers."], "words still find it");
        assert_eq!(found.report.model, None);
        assert!(found.report.faults[0].contains("words alone"), "{:?}", found.report.faults);
    }
}

#[tokio::test]
async fn vectors_that_could_not_be_made_are_made_later_and_each_model_has_its_own() {
    let store = store().await;
    let (retriever, muse) = poet(&store, "poet");
    *muse.mood.lock().unwrap() = Mood::Failing;
    live(&retriever, "t1", "What happened?", "It burnt to embers.").await;
    retriever.settle().await;
    *muse.mood.lock().unwrap() = Mood::Willing;
    assert_eq!(ask(&retriever, "flames", &[]).await.memories, []);
    live(&retriever, "t2", "And then?", "We went home.").await;
    retriever.settle().await;
    let found = ask(&retriever, "flames", &[]).await;
    assert_eq!(texts(&found.memories), ["What happened?\nNed: It burnt to embers."]);

    let (other, _) = poet(&store, "another poet");
    assert_eq!(ask(&other, "flames", &[]).await.memories, [], "its vectors are not comparable");
    other.remembered(&id("s"), &id("guard"));
    other.settle().await;
    assert_eq!(ask(&other, "flames", &[]).await.memories, found.memories);
    other.close().await;
}

#[tokio::test]
async fn a_text_that_the_model_refuses_costs_no_other_its_vector() {
    let store = store().await;
    let (retriever, muse) = poet(&store, "poet");
    *muse.mood.lock().unwrap() = Mood::Failing;
    index_many(&retriever, "tavern", 150).await;
    let curses = ["A curse!", "Another curse!"];
    for curse in curses {
        retriever.attach_lore(LoreOf::World("tavern"), curse).await.unwrap();
    }
    retriever.settle().await;
    *muse.mood.lock().unwrap() = Mood::Pious;
    ask(&retriever, "flames", &[]).await;
    retriever.settle().await;
    let asked = muse.asked.lock().unwrap().clone();
    assert_eq!(asked.iter().filter(|texts| *texts == &curses[..1]).count(), 1, "{asked:?}");
    let mut left = without_vector(&store, "tavern").await;
    left.sort_unstable();
    assert_eq!(left, curses);
    muse.asked.lock().unwrap().clear();
    retriever.attach_lore(LoreOf::World("tavern"), "A blessing.").await.unwrap();
    retriever.settle().await;
    assert_eq!(*muse.asked.lock().unwrap(), [["A blessing."]], "the others are not asked again");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_the_model_is_made_when_it_answers_or_after_a_while() {
    let store = store().await;
    let (retriever, muse) = poet(&store, "poet");
    let fail = async |world: &str| {
        *muse.mood.lock().unwrap() = Mood::Failing;
        muse.asked.lock().unwrap().clear();
        index_many(&retriever, world, 100).await;
        retriever.settle().await;
        assert_eq!(muse.asked.lock().unwrap().len(), 1, "a model that is away is left alone");
        *muse.mood.lock().unwrap() = Mood::Willing;
        assert_eq!(without_vector(&store, world).await.len(), 100);
    };
    fail("tavern").await;
    tokio::time::sleep(Duration::from_secs(31)).await;
    retriever.settle().await;
    assert_eq!(without_vector(&store, "tavern").await, [""; 0], "after a while");
    fail("mill").await;
    ask(&retriever, "flames", &[]).await;
    retriever.settle().await;
    assert_eq!(without_vector(&store, "mill").await, [""; 0], "when it answers");
    retriever.close().await;
}

#[tokio::test(start_paused = true)]
async fn a_scope_with_much_to_do_lets_others_in_between() {
    let store = store().await;
    let (retriever, muse) = poet(&store, "poet");
    *muse.mood.lock().unwrap() = Mood::Failing;
    for (world, count) in [("y", 1), ("a", 200), ("z", 1)] {
        index_many(&retriever, world, count).await;
        retriever.settle().await;
    }
    *muse.mood.lock().unwrap() = Mood::Willing;
    muse.asked.lock().unwrap().clear();
    ask(&retriever, "flames", &[]).await;
    retriever.settle().await;
    let asked = muse.asked.lock().unwrap().clone();
    let lengths: Vec<usize> = asked.iter().map(Vec::len).collect();
    assert_eq!(lengths, [1, 1, 64, 1, 64, 64, 8], "the question, y, a, z, a");
    retriever.close().await;
}

#[tokio::test]
async fn what_was_attached_before_there_was_a_model_gets_its_vector_at_the_start() {
    let store = store().await;
    let words = Retriever::new(store.clone(), Settings::default(), None);
    words.attach_lore(LoreOf::Attached("tavern"), "The mill is all embers.").await.unwrap();
    let (retriever, _) = poet(&store, "poet");
    retriever.index_assets(&Assets::default()).await.unwrap();
    retriever.settle().await;
    assert_eq!(texts(&ask(&retriever, "flames", &[]).await.lore), ["The mill is all embers."]);
}

/// An endpoint that answers what a function says, and what it was asked.
async fn endpoint(
    tasks: &mut JoinSet<()>,
    answer: impl Fn(Value) -> Response + Clone + Send + Sync + 'static,
) -> Endpoint {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}/v1", listener.local_addr().unwrap());
    let handler = move |headers: HeaderMap, Json(body): Json<Value>| async move {
        assert_eq!(headers["authorization"], "Bearer sk-123");
        assert_eq!(body["model"], "small");
        answer(body)
    };
    let router = axum::Router::new().route("/v1/embeddings", post(handler));
    tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
    let settings = ProviderSettings::new(&base, Some("sk-123")).unwrap();
    Endpoint::new(settings, "small").unwrap()
}

#[tokio::test]
async fn an_endpoint_is_asked_for_all_texts_and_its_order_is_mended() {
    let mut tasks = JoinSet::new();
    let endpoint = endpoint(&mut tasks, |body| {
        assert_eq!(body["input"], json!(["one", "two"]));
        let two = json!({ "index": 1, "embedding": [0.0, 2] });
        let one = json!({ "index": 0, "embedding": [3.0, 4.0] });
        Json(json!({ "object": "list", "data": [two, one], "usage": {} })).into_response()
    });
    let endpoint = endpoint.await;
    let vectors = endpoint.embed(vec!["one".to_owned(), "two".to_owned()]).await.unwrap();
    assert_eq!(vectors, [[0.6, 0.8], [0.0, 1.0]]);
}

fn data(vectors: &Value) -> Response {
    Json(json!({ "data": vectors })).into_response()
}

#[tokio::test]
async fn an_endpoint_that_fails_says_why_without_its_key() {
    let check = async |answer: fn() -> Response, expected: &str| {
        let mut tasks = JoinSet::new();
        let endpoint = endpoint(&mut tasks, move |_| answer()).await;
        let texts = vec!["one".to_owned(), "two".to_owned()];
        let error = endpoint.embed(texts).await.unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains("sk-123"), "{error}");
    };
    check(|| (StatusCode::UNAUTHORIZED, "bad key sk-123").into_response(), "bad key [redacted]")
        .await;
    check(|| (StatusCode::BAD_REQUEST, "long sk-123").into_response(), "refuses: 400").await;
    check(|| "<html>".into_response(), "can't be used").await;
    check(|| data(&json!([])), "0 vectors for 2 texts").await;
    check(|| data(&json!([{ "embedding": [1] }, { "embedding": [1, 2] }])), "sizes").await;
    check(|| data(&json!([{ "embedding": [0, 0] }])), "no direction").await;
    check(|| data(&json!([{ "index": 7, "embedding": [1] }])), "index 7").await;
    check(
        || data(&json!([{ "index": 0, "embedding": [1] }, { "index": 0, "embedding": [1] }])),
        "index 0",
    )
    .await;
    check(|| (StatusCode::OK, vec![b' '; 17 << 20]).into_response(), "bytes").await;

    let settings = ProviderSettings::new("http://127.0.0.1:1", None).unwrap();
    let nobody = Endpoint::new(settings, "small").unwrap();
    let error = nobody.embed(vec!["one".to_owned()]).await.unwrap_err();
    assert!(matches!(error, EmbedError::Endpoint(_)), "{error}");
}

/// A model of four words, made by hand.
#[cfg(feature = "embed-local")]
#[tokio::test]
async fn a_model_from_a_folder_makes_vectors() {
    use super::embed::Local;

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let error = Local::open(folder.path()).err().unwrap().to_string();
    assert!(error.contains("tokenizer.json"), "{error}");
    assert!(Local::open(&folder.path().join("none")).is_err());

    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
            "strip_accents": null, "lowercase": true
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": null, "decoder": null,
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": { "[UNK]": 0, "fire": 1, "flame": 2, "water": 3 }
        }
    });
    write("tokenizer.json", tokenizer.to_string().as_bytes());
    write("config.json", b"{\"normalize\": true}");
    let rows = [[0.1_f32, 0.1], [1.0, 0.0], [0.9, 0.1], [0.0, 1.0]];
    let header = r#"{"embeddings":{"dtype":"F32","shape":[4,2],"data_offsets":[0,32]}}"#;
    let mut tensors = (header.len() as u64).to_le_bytes().to_vec();
    tensors.extend(header.as_bytes());
    tensors.extend(rows.iter().flatten().flat_map(|number| number.to_le_bytes()));
    write("model.safetensors", &tensors);

    let local = Local::open(folder.path()).unwrap();
    assert!(local.model().starts_with("local/") && local.model().ends_with("/2"));
    let texts = ["Fire!", "a flame", "water", ""].map(str::to_owned).to_vec();
    let vectors = local.embed(texts).await.unwrap();
    let dot = |one: usize, other: usize| -> f32 {
        vectors[one].iter().zip(&vectors[other]).map(|(one, other)| one * other).sum()
    };
    assert!(dot(0, 1) > 0.8 && dot(0, 2) < 0.2, "{vectors:?}");
    assert_eq!(vectors[3], [0.0, 0.0]);
}

#[tokio::test]
async fn only_so_much_can_be_attached_to_a_world() {
    let retriever = Retriever::new(store().await, Settings::default(), None);
    let attached = LoreOf::Attached("tavern");
    let fact = |number: usize| format!("{} number {number}", "word ".repeat(150));
    let many: Vec<String> = (0..MOST_ATTACHED - 1).map(fact).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    retriever.index_lore(attached, &many).await.unwrap();
    let one = retriever.attach_lore(attached, "One more.").await.unwrap();
    let two = retriever.attach_lore(attached, "Two more.").await.unwrap();
    assert_eq!((one, two), (Attached::New, Attached::Full));
}
