//! The game: makes moves, and knows only what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use dramatis::assets::Library;
use dramatis::clock::{Clock, Ids};
use dramatis::generation::{Generator, Results};
use dramatis::llm::{Learnt, Limits, Llm, LlmSettings};
use dramatis::prompt::PromptLimits;
use dramatis::record::{AgentHistory, Delta, Observation, ToolCallPiece};
use dramatis::retrieval::{self, Retriever};
use dramatis::store::{Scope, Search, Store, StoredAgent};
use dramatis::turn::agent::{AgentMessage, Services};
use dramatis::turn::outbox::OutboxHandle;
use dramatis::turn::registry::{Attachment, Registry, SessionPlan};
use dramatis::turn::state::Rules;
use dramatis::turn_log::TurnLog;
use dramatis_protocol::{
    AgentState, AgentStateSnapshot, AgentTurnResult, CancelTurn, ClientMessage, ErrorCode, Id,
    InteractionEvent, Interrupt, NotificationEvent, Outcome, PromptPart, ServerMessage, TagOutcome,
    ToolResult, ToolResults, read,
};
use proptest::prelude::*;
use serde_json::json;

use super::checker::{Broken, Check, Checker, check_request, check_shown, must, words};
use super::disk::{Disk, TABLES};
use super::puppet::Puppet;

/// One move of the game, the model or the clock.
#[derive(Debug, Clone)]
pub enum Move {
    Event {
        agent: usize,
        interrupt: Interrupt,
        priority: i32,
        with_state: bool,
    },
    Notify {
        agent: usize,
    },
    Snapshot {
        agent: usize,
        answers: bool,
    },
    Text {
        agent: usize,
        fragment: usize,
    },
    Call {
        agent: usize,
        whole: bool,
    },
    Finish {
        agent: usize,
        truncated: bool,
    },
    Fail {
        agent: usize,
    },
    Result {
        agent: usize,
        back: usize,
        how: usize,
    },
    Answer {
        agent: usize,
        follow_up: bool,
    },
    Cancel {
        agent: usize,
        named: bool,
    },
    Wait(u64),
    Read(usize),
    Reconnect,
    TakeOver,
    /// Reconnects with an older save game.
    Resume {
        agent: usize,
        back: usize,
    },
    /// The server goes down and comes back.
    Restart,
    /// The disk takes nothing more that belongs into this table.
    FillDisk(&'static str),
    FreeDisk,
}

/// What a model may write; `#` becomes a word that was never used before.
const FRAGMENTS: &[&str] = &[
    "<speech>",
    "# ",
    "# # ",
    "</speech>",
    "<action name=\"wave\">",
    "</action>",
    "<vow>",
    "</vow>",
    "<give item=\"key\"/>",
    "<think>hush</think>",
    "<emotion name=joy/>",
    "<",
    "&amp; #",
    "<b>#</b>",
    "<speech>#</speech>",
    "<speech>#<emotion name=joy/> # </speech>",
    "\n\n",
    "<speech># # # # #",
];

pub fn moves() -> impl Strategy<Value = Vec<Move>> {
    prop::collection::vec(one_move(), 1..80)
}

/// As [`moves`], with a disk that is full at times.
pub fn moves_without_room() -> impl Strategy<Value = Vec<Move>> {
    let table = prop::sample::select(&TABLES[..]);
    let one = prop_oneof![
        12 => one_move(),
        1 => table.prop_map(Move::FillDisk),
        1 => Just(Move::FreeDisk),
    ];
    prop::collection::vec(one, 1..80)
}

fn one_move() -> impl Strategy<Value = Move> {
    let agent = 0..2_usize;
    let interrupt = prop_oneof![
        3 => Just(Interrupt::Now),
        2 => Just(Interrupt::Queue),
        1 => Just(Interrupt::Drop),
    ];
    prop_oneof![
        6 => (agent.clone(), interrupt, -1..2_i32, any::<bool>()).prop_map(
            |(agent, interrupt, priority, with_state)| {
                Move::Event { agent, interrupt, priority, with_state }
            }
        ),
        1 => agent.clone().prop_map(|agent| Move::Notify { agent }),
        6 => (agent.clone(), prop::bool::weighted(0.9))
            .prop_map(|(agent, answers)| Move::Snapshot { agent, answers }),
        14 => (agent.clone(), 0..FRAGMENTS.len())
            .prop_map(|(agent, fragment)| Move::Text { agent, fragment }),
        1 => (agent.clone(), any::<bool>()).prop_map(|(agent, whole)| Move::Call { agent, whole }),
        4 => (agent.clone(), prop::bool::weighted(0.2))
            .prop_map(|(agent, truncated)| Move::Finish { agent, truncated }),
        1 => agent.clone().prop_map(|agent| Move::Fail { agent }),
        4 => (agent.clone(), 0..3_usize, 0..5_usize)
            .prop_map(|(agent, back, how)| Move::Result { agent, back, how }),
        2 => (agent.clone(), prop::bool::weighted(0.8))
            .prop_map(|(agent, follow_up)| Move::Answer { agent, follow_up }),
        1 => (agent, any::<bool>()).prop_map(|(agent, named)| Move::Cancel { agent, named }),
        2 => prop_oneof![Just(50), Just(1_999), Just(2_001), Just(16_000), Just(121_000)]
            .prop_map(Move::Wait),
        8 => prop_oneof![1..4_usize, Just(1_000)].prop_map(Move::Read),
        1 => Just(Move::Reconnect),
        1 => Just(Move::TakeOver),
        1 => (0..2_usize, 0..4_usize).prop_map(|(agent, back)| Move::Resume { agent, back }),
        1 => Just(Move::Restart),
    ]
}

/// What the store has of an agent, and what the agent remembers.
pub type Kept = (StoredAgent, BTreeMap<Id, String>);

/// A play session with two agents.
pub struct Play {
    pub registry: Registry,
    pub store: Store,
    puppet: Arc<Puppet>,
    pub attachment: Attachment,
    pub outbox: OutboxHandle,
    checker: Checker,
    sent: BTreeSet<String>,
    questions: BTreeMap<String, Id>,
    results: u64,
    pub stored: BTreeSet<String>,
    pub promised: BTreeSet<String>,
    /// Agent and turn of each message that is answered with `stored`, and whether it is a result.
    pub kept: BTreeMap<String, (usize, String, bool)>,
    /// Of those, which have been answered since the last look into the store.
    just_stored: Vec<String>,
    checked_requests: usize,
    words: u64,
    events: u64,
    /// Words that a connection took with it: they may have stood in a prompt until then.
    lost: BTreeSet<String>,
    /// Turns that an older save game undid.
    set_aside: BTreeSet<String>,
    ids: Ids,
    pub disk: Option<Disk>,
    /// Whether the disk is full, or would be if there was one.
    is_full: bool,
}

pub fn agent_name(agent: usize) -> Id {
    format!("agent{agent}").into()
}

fn state(agent: usize, moment: u64) -> AgentState {
    let tags = json!([
        {"name": "speech", "kind": "speech"},
        {"name": "action", "attributes": [{"name": "name"}]},
        {"name": "vow", "kind": "speech", "interruptible": false},
        {"name": "emotion", "content": "none", "attributes": [{"name": "name"}]},
        {"name": "give", "kind": "tool", "content": "none", "attributes": [{"name": "item"}]},
        {"name": "think", "kind": "hidden"},
    ]);
    AgentState {
        name: format!("Agent {agent}"),
        tags: serde_json::from_value(tags).unwrap(),
        tools: serde_json::from_value(json!([{"name": "look", "parameters": {"type": "object"}}]))
            .unwrap(),
        model: Some("scripted/puppet".to_owned()),
        // One is soon reminded of what the other's history still shows.
        history_turns: (agent == 0).then_some(1),
        prompt_parts: vec![PromptPart { title: "Hour".to_owned(), text: moment.to_string() }],
        ..AgentState::default()
    }
}

/// A server's inside around a store, with a puppet for a model, and assets where there are any.
pub fn registry(
    store: &Store,
    puppet: &Arc<Puppet>,
    ids: &Ids,
    assets: Option<Arc<Library>>,
) -> Registry {
    let far = Duration::from_secs(1_000_000);
    let limits = Limits { first_token: far, silence: far, reply: far, ..Limits::default() };
    let llm = Llm::new(LlmSettings { limits, ..LlmSettings::default() }, puppet.clone()).unwrap();
    let retriever = Retriever::new(store.clone(), retrieval::Settings::default(), None);
    let generator = Generator::new(llm, PromptLimits::default())
        .reminding(retriever, Results { lore: 2, memories: 20 });
    let generator = match assets {
        Some(assets) => generator.with_assets(assets),
        None => generator,
    };
    let services = Services {
        store: store.clone(),
        log: TurnLog::disabled(),
        generator,
        clock: Clock::start(),
        ids: ids.clone(),
        rules: Rules::default(),
        default_model: "scripted/puppet".to_owned(),
        reasoning: Learnt::default(),
        idle_timeout: Duration::from_secs(100),
    };
    Registry::new(services, 16)
}

impl Play {
    pub async fn begin(store: Store, disk: Option<Disk>) -> Self {
        let puppet = Arc::new(Puppet::default());
        let ids = Ids::counted();
        let registry = registry(&store, &puppet, &ids, None);
        let outbox = OutboxHandle::default();
        let attachment =
            registry.attach(SessionPlan::named("play"), outbox.clone()).await.unwrap().attachment;
        Self {
            registry,
            store,
            puppet,
            attachment,
            outbox,
            checker: Checker::default(),
            sent: BTreeSet::new(),
            questions: BTreeMap::new(),
            results: 0,
            stored: BTreeSet::new(),
            promised: BTreeSet::new(),
            kept: BTreeMap::new(),
            just_stored: Vec::new(),
            checked_requests: 0,
            words: 0,
            events: 0,
            lost: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            ids,
            disk,
            is_full: false,
        }
    }

    pub async fn make(&mut self, next: &Move) -> Check {
        match next.clone() {
            Move::Event { agent, interrupt, priority, with_state } => {
                self.event(agent, interrupt, priority, with_state).await;
            }
            Move::Notify { agent } => self.notify(agent).await,
            Move::Snapshot { agent, answers } => self.snapshot(agent, answers).await,
            Move::Text { agent, fragment } => self.text(agent, fragment),
            Move::Call { agent, whole } => self.call(agent, whole),
            Move::Finish { agent, truncated } => {
                let reason = if truncated { "length" } else { "stop" };
                self.with_reply(agent, |asked| asked.finish(reason));
            }
            Move::Fail { agent } => self.with_reply(agent, super::puppet::Asked::fail),
            Move::Result { agent, back, how } => self.result(agent, back, how).await,
            Move::Answer { agent, follow_up } => self.answer(agent, follow_up).await,
            Move::Cancel { agent, named } => self.cancel(agent, named).await,
            Move::Wait(millis) => tokio::time::sleep(Duration::from_millis(millis)).await,
            Move::Read(frames) => self.read(frames)?,
            Move::Reconnect => self.reconnect().await,
            Move::TakeOver => self.take_over().await?,
            // Without room the one is refused, and with the other what is in memory is gone.
            Move::Resume { .. } | Move::Restart if self.is_full => {}
            Move::Resume { agent, back } => self.resume(agent, back).await?,
            Move::Restart => self.restart().await?,
            Move::FillDisk(table) => self.fill_disk(&[table]),
            Move::FreeDisk => self.free_disk(),
        }
        self.settle().await
    }

    pub fn fill_disk(&mut self, tables: &[&str]) {
        self.is_full = true;
        self.disk.iter().for_each(|disk| disk.fill(tables));
    }

    pub fn free_disk(&mut self) {
        self.is_full = false;
        self.disk.iter().for_each(Disk::free);
    }

    /// Ends the play as a shutdown does; then nothing may be owed. What is stored of the agents.
    pub async fn end(mut self) -> Result<Vec<Kept>, Broken> {
        if self.is_full {
            self.free_disk();
        }
        // Who could not store something before tries again soon.
        tokio::time::sleep(Duration::from_secs(6)).await;
        let next = OutboxHandle::default();
        let attachment = self.attach("other", next).await;
        let old = std::mem::replace(&mut self.attachment, attachment);
        old.detach(true).await;
        self.read(usize::MAX)?;
        for event in &self.sent {
            if self.checker.fates.get(event) != Some(&1) {
                return Err(broken(format!("event {event} has no fate")));
            }
        }
        if let Some(turn) = self.checker.turns.values().find(|turn| !turn.ended) {
            return Err(broken(format!("a turn of {} never ended", turn.agent)));
        }
        if let Some(lost) = self.promised.difference(&self.stored).next() {
            return Err(broken(format!("{lost} was not answered with stored")));
        }
        let shown = self.checker.words.union(&self.lost).cloned().collect();
        for asked in self.puppet.asked() {
            check_shown(&asked.request, &shown)?;
            if asked.is_open() {
                return Err(broken("a request outlives its turn".to_owned()));
            }
        }
        let Self { registry, store, attachment, .. } = self;
        attachment.detach(true).await;
        registry.close().await;
        let mut stored = Vec::new();
        for agent in 0..2 {
            let name = agent_name(agent);
            let loaded = store.load_agent(&"play".into(), &name, 1_000).await.unwrap();
            let mut remembered = memories(&store, name, agent).await;
            // The newest may wait for the next one to begin.
            let newest = loaded.history.turns.last().filter(|turn| turn.result.is_none());
            newest.and_then(|turn| remembered.remove(&turn.turn_id));
            stored.push((loaded, remembered));
        }
        store.close().await;
        Ok(stored)
    }

    /// The last message of the newest request.
    pub fn last_request(&self) -> String {
        let asked = self.puppet.asked();
        asked.last().unwrap().request.messages.last().unwrap().content.clone()
    }

    /// Lets every task and every commit come to rest, then looks at new requests.
    async fn settle(&mut self) -> Check {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let refused = self.checker.refused.values().flatten().chain(&self.lost).cloned().collect();
        for asked in self.puppet.asked().iter().skip(self.checked_requests) {
            check_request(&asked.request, &refused)?;
            self.checked_requests += 1;
        }
        self.check_stored().await
    }

    /// What was answered with `stored` is in the store, whatever the disk does.
    async fn check_stored(&mut self) -> Check {
        for message_id in std::mem::take(&mut self.just_stored) {
            let (agent, turn_id, is_result) = self.kept[&message_id].clone();
            let name = agent_name(agent);
            let session = self.attachment.session_id().clone();
            let agent = self.store.load_agent(&session, &name, 1_000).await.unwrap();
            let AgentHistory { turns, pending } = agent.history;
            let is_stored = if is_result {
                turns.iter().any(|turn| *turn.turn_id == *turn_id && turn.result.is_some())
            } else {
                turns.iter().flat_map(|turn| &turn.input).chain(&pending).any(|observation| {
                    matches!(observation, Observation::ToolAnswer(answer) if *answer.turn_id == *turn_id)
                })
            };
            must!(is_stored, "{message_id} is not stored, as {turn_id} shows");
        }
        Ok(())
    }

    async fn deliver(&mut self, agent: usize, message: AgentMessage, message_id: Option<Id>) {
        self.attachment.deliver(&agent_name(agent), message, message_id).await.unwrap();
    }

    pub async fn event(
        &mut self,
        agent: usize,
        interrupt: Interrupt,
        priority: i32,
        own_state: bool,
    ) {
        self.events += 1;
        let event_id: Id = format!("e{}", self.events).into();
        self.sent.insert(event_id.to_string());
        let event = InteractionEvent {
            agent_id: agent_name(agent),
            event_id: Some(event_id),
            event_type: None,
            text: Some(format!("Well, agent{agent}treasure?")),
            actor: None,
            data: None,
            state: own_state.then(|| state(agent, self.events)),
            priority,
            interrupt,
        };
        self.deliver(agent, AgentMessage::Event(Box::new(event)), None).await;
    }

    async fn notify(&mut self, agent: usize) {
        let notification = NotificationEvent {
            agent_ids: vec![agent_name(agent)],
            event_id: None,
            event_type: Some("rain".to_owned()),
            text: None,
            actor: None,
            data: None,
        };
        self.deliver(agent, AgentMessage::Notification(Box::new(notification)), None).await;
    }

    async fn snapshot(&mut self, agent: usize, answers: bool) {
        let question = self.questions.get(&*agent_name(agent)).cloned();
        let request_id = if answers { question } else { Some("no-such-question".into()) };
        let agent_id = agent_name(agent);
        let snapshot =
            AgentStateSnapshot { request_id, agent_id, state: state(agent, self.events) };
        self.deliver(agent, AgentMessage::Snapshot(Box::new(snapshot)), None).await;
    }

    fn with_reply(&self, agent: usize, act: impl FnOnce(&super::puppet::Asked)) {
        let name = agent_name(agent);
        let asked = self.puppet.asked();
        if let Some(open) = asked.iter().rfind(|asked| asked.agent() == &*name && asked.is_open()) {
            act(open);
        }
    }

    fn text(&mut self, agent: usize, fragment: usize) {
        let mut text = String::new();
        for c in FRAGMENTS[fragment].chars() {
            if c == '#' {
                self.words += 1;
                text.push_str(&word(self.words));
            } else {
                text.push(c);
            }
        }
        self.with_reply(agent, |asked| asked.text(&text));
    }

    fn call(&self, agent: usize, whole: bool) {
        let arguments = if whole { "{\"at\":\"door\"}" } else { "{\"at\":" };
        let piece = ToolCallPiece {
            index: 0,
            id: Some("call-1".to_owned()),
            name: Some("look".to_owned()),
            arguments: arguments.to_owned(),
            signature: None,
        };
        self.with_reply(agent, |asked| asked.send(Ok(Delta::ToolCall(piece))));
    }

    /// The turn that the game heard of `back` turns before the newest.
    pub fn known_turn(&self, agent: usize, back: usize) -> Option<String> {
        let name = agent_name(agent);
        let of_agent = self.checker.order.iter().rev();
        let of_agent = of_agent.filter(|turn| self.checker.turns[*turn].agent == *name);
        of_agent.filter(|turn| !self.set_aside.contains(*turn)).nth(back).cloned()
    }

    async fn result(&mut self, agent: usize, back: usize, how: usize) {
        let Some(turn_id) = self.known_turn(agent, back) else { return };
        let turn = self.checker.turns[&turn_id].clone();
        if !turn.ended {
            return;
        }
        let mut refused = BTreeSet::new();
        let mut tags = Vec::new();
        for (tag_id, tag) in (0..).zip(&turn.tags) {
            let (outcome, presented_chars) = match (how, tag_id % 3) {
                (0, _) => (Outcome::Done, None),
                (1, 0) => (Outcome::Partial, Some(tag.text.chars().count() as u64 / 2)),
                (1 | 2, 1) => (Outcome::Cancelled, None),
                (2, 0) => (Outcome::Skipped, None),
                (_, 2) => continue,
                _ => (Outcome::Done, Some(u64::MAX)),
            };
            let shown = shown_part(&tag.text, outcome, presented_chars);
            refused
                .extend(words(&tag.text).into_iter().filter(|word| !words(&shown).contains(word)));
            tags.push(TagOutcome { tag_id, outcome, presented_chars, detail: None });
        }
        for (tag_id, tag) in (0_u32..).zip(&turn.tags) {
            if tags.iter().all(|told| told.tag_id != tag_id) {
                refused.extend(words(&tag.text));
            }
        }
        let content = (how == 4).then(|| "So it was.".to_owned());
        if content.is_some() {
            refused = turn.tags.iter().flat_map(|tag| words(&tag.text)).collect();
        }
        self.checker.refused.insert(turn_id.clone(), refused);
        self.results += 1;
        let message_id = format!("m{}", self.results);
        self.promised.insert(message_id.clone());
        self.kept.insert(message_id.clone(), (agent, turn_id.clone(), true));
        let result = AgentTurnResult {
            agent_id: agent_name(agent),
            turn_id: turn_id.into(),
            content,
            tags: Some(tags),
        };
        self.deliver(agent, AgentMessage::Result(Box::new(result)), Some(message_id.into())).await;
    }

    async fn answer(&mut self, agent: usize, follow_up: bool) {
        let Some(turn_id) = self.known_turn(agent, 0) else { return };
        let turn = &self.checker.turns[&turn_id];
        let calls = (0..).zip(&turn.tags).filter(|(_, tag)| tag.is_tool && tag.complete);
        let results: Vec<ToolResult> = calls
            .map(|(tag_id, tag)| ToolResult {
                tag_id: Some(tag_id),
                call_id: None,
                name: Some(tag.name.clone()),
                ok: true,
                output: json!("done"),
            })
            .collect();
        if results.is_empty() {
            return;
        }
        self.results += 1;
        let message_id = format!("m{}", self.results);
        self.promised.insert(message_id.clone());
        self.kept.insert(message_id.clone(), (agent, turn_id.clone(), false));
        let agent_id = agent_name(agent);
        let results = ToolResults { agent_id, turn_id: turn_id.into(), results, follow_up };
        let message = AgentMessage::ToolResults(Box::new(results));
        self.deliver(agent, message, Some(message_id.into())).await;
    }

    async fn cancel(&mut self, agent: usize, named: bool) {
        let turn_id = self.known_turn(agent, 0).map(Id::from);
        let turn_id = if named { turn_id } else { None };
        let cancel = CancelTurn { agent_id: agent_name(agent), turn_id, reason: None };
        self.deliver(agent, AgentMessage::Cancel(cancel), None).await;
    }

    fn read(&mut self, frames: usize) -> Check {
        let mut json = String::new();
        let mut left = frames;
        while left > 0 {
            if !self.outbox.take(&mut json) {
                break;
            }
            if json.contains("hush") {
                return Err(broken(format!("hidden text in {json}")));
            }
            let message: ServerMessage = serde_json::from_str(&json).unwrap();
            self.checker.see(&message)?;
            // What tells of the disk doesn't count: without room there is more of it.
            let of_disk = matches!(&message, ServerMessage::Stored(_))
                || matches!(&message, ServerMessage::Error(error) if error.code == ErrorCode::Internal);
            left -= usize::from(!of_disk);
            self.note(message)?;
        }
        Ok(())
    }

    fn note(&mut self, message: ServerMessage) -> Check {
        match message {
            ServerMessage::GetAgentState(question) => {
                self.questions.insert(question.agent_id.to_string(), question.request_id);
            }
            ServerMessage::Stored(stored) => {
                let promised = self.promised.contains(&*stored.in_reply_to);
                must!(promised, "{} was stored for another connection", stored.in_reply_to);
                let new = self.stored.insert(stored.in_reply_to.to_string());
                must!(new, "{} stored twice", stored.in_reply_to);
                self.just_stored.push(stored.in_reply_to.to_string());
            }
            ServerMessage::Error(error)
                if self.disk.is_some() && error.code == ErrorCode::Internal =>
            {
                // To be sent again later.
                error.in_reply_to.map(|promise| self.promised.remove(&*promise));
            }
            ServerMessage::Error(error) => {
                let expected =
                    [ErrorCode::ProviderError, ErrorCode::SessionTaken, ErrorCode::StateTimeout];
                must!(
                    expected.contains(&error.code),
                    "an error without a cause: {}",
                    error.message
                );
            }
            _ => {}
        }
        Ok(())
    }

    /// The connection breaks, and a new one goes on with the session.
    async fn reconnect(&mut self) {
        self.break_off().await;
        let outbox = OutboxHandle::default();
        self.attachment = self.attach("play", outbox.clone()).await;
        self.begin_anew(outbox);
    }

    /// The connection breaks. Until the next one the game holds another session.
    async fn break_off(&mut self) {
        let other = self.attach("other", OutboxHandle::default()).await;
        std::mem::replace(&mut self.attachment, other).detach(false).await;
    }

    /// A new connection takes the session over while the old one still reads.
    async fn take_over(&mut self) -> Check {
        let outbox = OutboxHandle::default();
        let attachment = self.attach("play", outbox.clone()).await;
        let old = std::mem::replace(&mut self.attachment, attachment);
        self.settle().await?;
        self.read(usize::MAX)?;
        if self.outbox.closing().map(|closing| closing.code) != Some(4009) {
            return Err(broken("the older connection is not closed".to_owned()));
        }
        self.fates_are_known()?;
        old.detach(false).await;
        self.begin_anew(outbox);
        Ok(())
    }

    /// The connection breaks, and the game goes on from an older save: one agent forgets its last
    /// turns.
    async fn resume(&mut self, agent: usize, back: usize) -> Check {
        let Some(turn_id) = self.known_turn(agent, back) else { return Ok(()) };
        self.break_off().await;
        let resume_after = BTreeMap::from([(agent_name(agent), Id::from(&*turn_id))]);
        let plan = SessionPlan { resume_after, ..SessionPlan::named("play") };
        let outbox = OutboxHandle::default();
        let attached = self.registry.attach(plan, outbox.clone()).await.unwrap();
        self.attachment = attached.attachment;
        self.begin_anew(outbox);
        if let Some(complaint) = attached.complaints.first() {
            return Err(broken(format!("{turn_id} is not resumed: {}", complaint.message)));
        }
        let name = agent_name(agent);
        let later = self.checker.order.iter().rev().take_while(|turn| **turn != turn_id);
        let later = later.filter(|turn| self.checker.turns[*turn].agent == *name);
        for turn in later.cloned().collect::<Vec<_>>() {
            let tags = &self.checker.turns[&turn].tags;
            self.lost.extend(tags.iter().flat_map(|tag| words(&tag.text)));
            self.set_aside.insert(turn);
        }
        Ok(())
    }

    /// The server goes down, which the game hears of to the end, and a new one opens the store.
    async fn restart(&mut self) -> Check {
        let other = self.attach("other", OutboxHandle::default()).await;
        std::mem::replace(&mut self.attachment, other).detach(true).await;
        self.read(usize::MAX)?;
        self.fates_are_known()?;
        self.registry.close().await;
        self.registry = registry(&self.store, &self.puppet, &self.ids, None);
        let outbox = OutboxHandle::default();
        self.attachment = self.attach("play", outbox.clone()).await;
        self.begin_anew(outbox);
        Ok(())
    }

    /// What was unanswered counts as disconnected; what was not shown never will be.
    fn begin_anew(&mut self, outbox: OutboxHandle) {
        self.outbox = outbox;
        self.checker.disconnected();
        let generated = (1..=self.words).map(word);
        self.lost.extend(generated.filter(|word| !self.checker.words.contains(word)));
        self.sent.clear();
        self.promised.clear();
        self.stored.clear();
        self.kept.clear();
        self.just_stored.clear();
        self.questions.clear();
        // Each connection numbers its messages from one again.
        self.results = 0;
    }

    async fn attach(&self, session: &str, outbox: OutboxHandle) -> Attachment {
        self.registry.attach(SessionPlan::named(session), outbox).await.unwrap().attachment
    }

    fn fates_are_known(&self) -> Check {
        match self.sent.iter().find(|event| !self.checker.fates.contains_key(*event)) {
            Some(event) => Err(broken(format!("event {event} has no fate after a takeover"))),
            None => Ok(()),
        }
    }
}

/// What an agent remembers of its turns.
pub async fn memories(store: &Store, name: Id, agent: usize) -> BTreeMap<Id, String> {
    let scopes = vec![Scope::Memories { session: "play".into(), agent: name }];
    let terms = vec![format!("agent{agent}treasure")];
    let search = Search { scopes, terms, limit: 1_000, ..Search::default() };
    let found = store.search(search).await.unwrap().by_text.into_iter();
    found.map(|found| (found.turn_id.unwrap(), found.body)).collect()
}

fn shown_part(text: &str, outcome: Outcome, presented_chars: Option<u64>) -> String {
    let all = matches!(outcome, Outcome::Done | Outcome::Partial);
    let count = presented_chars.unwrap_or(if all { u64::MAX } else { 0 });
    text.chars().take(usize::try_from(count).unwrap_or(usize::MAX)).collect()
}

fn word(number: u64) -> String {
    format!("w{number:06}x")
}

fn broken(what: String) -> Broken {
    Broken::new(what)
}

/// What the game sends must be readable; a check on this test's own words.
#[test]
fn the_states_of_this_test_are_valid() {
    let message = ClientMessage::AgentStateSnapshot(AgentStateSnapshot {
        request_id: None,
        agent_id: "a".into(),
        state: state(0, 0),
    });
    let read = read::read(&serde_json::to_string(&message).unwrap()).unwrap();
    assert_eq!(read.message, message);
}
