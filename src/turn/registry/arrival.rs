//! How a connection comes to its play session: copied from another if asked, opened, taken over from
//! an older connection, taken back to a save game.

use std::collections::BTreeMap;
use std::sync::Arc;

use dramatis_protocol::{ErrorCode, ErrorMessage, Id, ServerMessage};

use super::Shared;
use super::session::{Attachment, Session};
use crate::store::{StoreError, StoreErrorKind};
use crate::turn::agent::Connected;
use crate::turn::outbox::{Closing, OutboxHandle};

/// The play session that a connection asks for.
#[derive(Debug, Clone, Default)]
pub struct SessionPlan {
    /// Its name; `None`: a session of the connection's own.
    pub name: Option<Id>,
    /// Begin it as a copy of this session.
    pub fork_of: Option<Id>,
    /// For each agent named, the turn after which its history is taken up again.
    pub resume_after: BTreeMap<Id, Id>,
    /// Whether the agents that aren't named begin anew.
    pub forget_others: bool,
}

impl SessionPlan {
    /// A session to go on with, or to begin.
    #[must_use]
    pub fn named(name: impl Into<Id>) -> Self {
        Self { name: Some(name.into()), ..Self::default() }
    }
}

/// A connection that has its session.
pub struct Attached {
    /// Its hold on the session.
    pub attachment: Attachment,
    /// What of the plan could not be done; the session is served all the same.
    pub complaints: Vec<ErrorMessage>,
}

pub(super) async fn attach(
    shared: &Arc<Shared>,
    plan: SessionPlan,
    outbox: OutboxHandle,
) -> Result<Attached, ErrorMessage> {
    let named = plan.name.is_some();
    let id = plan.name.clone().unwrap_or_else(|| shared.services.ids.next("session"));
    let mut complaints = Vec::new();
    if let Some(original) = &plan.fork_of {
        complaints = fork(shared, original, &id, &plan).await?;
    }
    let (session, connected, before) = {
        let mut sessions = shared.sessions();
        let new = || Arc::new(Session::new(id.clone()));
        let session = Arc::clone(sessions.entry(id.clone()).or_insert_with(new));
        let (connected, before) = session.connect(outbox, named);
        (session, connected, before)
    };
    // After `connect`: an older connection of the same session can't end it any more. If it fails,
    // the first agent that has something to write opens the session as soon as that is possible.
    if let Err(error) = shared.services.store.open_session(&id, named).await {
        complaints.push(not_opened(&id, &error));
    }
    let handed_over = session.hand_over(&connected).await;
    if let Some(before) = before {
        // The older connection hears of its turns' ends first; the newer needn't wait for that.
        shared.tasks.spawn(async move {
            handed_over.await;
            dismiss(&before);
        });
    }
    let resumed = match &plan.fork_of {
        Some(_) => Ok(Vec::new()),
        None => resume(shared, &session, &connected, &plan).await,
    };
    let attachment = Attachment::new(session, Arc::clone(shared), connected);
    match resumed {
        Ok(unknown) => complaints.extend(unknown),
        Err(refusal) => {
            // The game would take the agents for younger than they are.
            attachment.detach(false).await;
            return Err(refusal);
        }
    }
    Ok(Attached { attachment, complaints })
}

/// Tells a connection that its session is another's now, and closes it.
fn dismiss(before: &Connected) {
    let message = "another connection took this play session over";
    before.outbox.send(ServerMessage::Error(ErrorMessage::new(ErrorCode::SessionTaken, message)));
    before.outbox.close(Closing::SESSION_TAKEN);
}

/// Makes the copy, its agents taken back as the plan says: in one go, because a copy that knows too
/// much must not stay. Turns that are unknown come back as complaints.
async fn fork(
    shared: &Shared,
    original: &Id,
    copy: &Id,
    plan: &SessionPlan,
) -> Result<Vec<ErrorMessage>, ErrorMessage> {
    let store = &shared.services.store;
    let refuse = |message: String, field: &str| {
        let mut error = ErrorMessage::new(ErrorCode::BadMessage, message);
        error.field = Some(field.to_owned());
        Err(error)
    };
    let failed = |error: StoreError| not_copied(original, &error);
    // The copy's name may be that of a session which could not be opened yet.
    for id in [original, copy] {
        let in_memory = shared.sessions().get(id).cloned();
        if let Some(session) = in_memory
            && !session.settle_all().await
        {
            return Err(failed(unwritten()));
        }
    }
    if !store.has_session(original).await.map_err(failed)? {
        return refuse(format!("there is no play session \"{original}\" to copy"), "fork_of");
    }
    let mut complaints = Vec::new();
    for (agent, turn) in &plan.resume_after {
        if store.find_turn(original, agent, turn).await.map_err(failed)?.is_none() {
            complaints.push(unknown_turn(agent, turn));
        }
    }
    let copied = store.fork(original, copy, plan.resume_after.clone(), plan.forget_others).await;
    if !copied.map_err(failed)? {
        let message = format!("a play session \"{copy}\" exists already: choose another name");
        return refuse(message, "session_id");
    }
    Ok(complaints)
}

/// Takes agents back to the moment after a turn, and those that aren't named to their beginning if
/// that is asked for. Turns that are unknown come back as complaints.
///
/// # Errors
/// If the store can't do it. Agents before that one have been taken back; to do it again does no
/// harm.
async fn resume(
    shared: &Shared,
    session: &Session,
    connected: &Connected,
    plan: &SessionPlan,
) -> Result<Vec<ErrorMessage>, ErrorMessage> {
    let store = &shared.services.store;
    let mut complaints = Vec::new();
    for (agent, turn) in &plan.resume_after {
        let failed = |error: &StoreError| {
            let who = format!("agent \"{agent}\"");
            about_turn(agent, turn, not_taken_back(session.id(), &who, error))
        };
        if !end_task(session, connected, agent).await.map_err(|error| failed(&error))? {
            return Ok(complaints);
        }
        if !store.resume_after(session.id(), agent, turn).await.map_err(|error| failed(&error))? {
            complaints.push(unknown_turn(agent, turn));
        }
    }
    if plan.forget_others {
        forget_others(shared, session, connected, &plan.resume_after).await?;
    }
    Ok(complaints)
}

/// Takes the agents that aren't named back to their beginning.
async fn forget_others(
    shared: &Shared,
    session: &Session,
    connected: &Connected,
    named: &BTreeMap<Id, Id>,
) -> Result<(), ErrorMessage> {
    let failed = |error: StoreError| ErrorMessage {
        field: Some("forget_others".to_owned()),
        ..not_taken_back(session.id(), "the others", &error)
    };
    for agent in session.awake().into_iter().filter(|agent| !named.contains_key(agent)) {
        if !end_task(session, connected, &agent).await.map_err(failed)? {
            return Ok(());
        }
    }
    let kept = named.keys().cloned().collect();
    let forgotten = shared.services.store.forget_others(session.id(), kept).await;
    forgotten.map_err(failed)
}

/// Ends an agent's task, if it has one, so that what it wrote lies before what is set aside.
/// `false`: the session is another connection's now.
async fn end_task(
    session: &Session,
    connected: &Connected,
    agent: &Id,
) -> Result<bool, StoreError> {
    // A task that ends takes with it what it could not write.
    if !session.settle(agent).await {
        return Err(unwritten());
    }
    Ok(session.put_to_sleep(agent, connected).await)
}

/// An error about what `resume_after` says of an agent.
fn about_turn(agent: &Id, turn: &Id, error: ErrorMessage) -> ErrorMessage {
    ErrorMessage {
        field: Some(format!("resume_after.{agent}")),
        agent_id: Some(agent.clone()),
        turn_id: Some(turn.clone()),
        ..error
    }
}

fn unknown_turn(agent: &Id, turn: &Id) -> ErrorMessage {
    let message = format!("agent \"{agent}\" has no turn {turn} to resume after");
    about_turn(agent, turn, ErrorMessage::new(ErrorCode::UnknownTurn, message))
}

fn unwritten() -> StoreError {
    StoreError {
        kind: StoreErrorKind::Full,
        message: "what happened before could not be written yet".to_owned(),
    }
}

fn not_opened(session: &Id, error: &StoreError) -> ErrorMessage {
    tracing::error!(%session, %error, "a play session could not be opened in the store");
    let message = "this play session can't be stored now (see the server's log): its agents go on \
                   from memory, and store it as soon as there is room";
    ErrorMessage::new(ErrorCode::Internal, message)
}

fn not_copied(session: &Id, error: &StoreError) -> ErrorMessage {
    tracing::error!(%session, %error, "a play session could not be copied");
    let message = format!(
        "the play session \"{session}\" can't be copied now (see the server's log): there is no \
         copy, and this connection has no session; say hello again later"
    );
    let error = ErrorMessage::new(ErrorCode::Internal, message);
    ErrorMessage { field: Some("fork_of".to_owned()), ..error }
}

fn not_taken_back(session: &Id, who: &str, error: &StoreError) -> ErrorMessage {
    tracing::error!(%session, who, %error, "agents could not be taken back to a save game");
    let message = format!(
        "{who} can't be taken back now (see the server's log): their history was not \
         set aside, and this connection has no session; say the same hello again later"
    );
    ErrorMessage::new(ErrorCode::Internal, message)
}
