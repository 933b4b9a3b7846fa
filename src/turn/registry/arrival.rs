//! How a connection comes to its play session: copied from another if asked, opened, taken over from
//! an older connection, taken back to a save game.

use std::collections::BTreeMap;
use std::sync::Arc;

use dramatis_protocol::{ErrorCode, ErrorMessage, Id, ServerMessage};

use super::Shared;
use super::session::{Attachment, Session};
use crate::store::StoreError;
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
    /// What of the plan could not be done; the session is served without it.
    pub complaints: Vec<ErrorMessage>,
}

pub(super) async fn attach(
    shared: &Arc<Shared>,
    plan: SessionPlan,
    outbox: OutboxHandle,
) -> Result<Attached, ErrorMessage> {
    let named = plan.name.is_some();
    let id = plan.name.unwrap_or_else(|| shared.services.ids.next("session"));
    if let Some(original) = &plan.fork_of {
        fork(shared, original, &id).await?;
    }
    let (session, connected, before) = {
        let mut sessions = shared.sessions();
        let new = || Arc::new(Session::new(id.clone()));
        let session = Arc::clone(sessions.entry(id.clone()).or_insert_with(new));
        let (connected, before) = session.connect(outbox, named);
        (session, connected, before)
    };
    let mut complaints = Vec::new();
    // After `connect`: an older connection of the same session can't end it any more.
    if let Err(error) = shared.services.store.open_session(&id, named).await {
        complaints.push(broken(&id, &error));
    }
    let handed_over = session.hand_over(&connected).await;
    if let Some(before) = before {
        // The older connection hears of its turns' ends first; the newer needn't wait for that.
        shared.tasks.spawn(async move {
            handed_over.await;
            dismiss(&before);
        });
    }
    complaints.extend(resume(shared, &session, &connected, &plan.resume_after).await);
    let attachment = Attachment::new(session, Arc::clone(shared), connected);
    Ok(Attached { attachment, complaints })
}

/// Tells a connection that its session is another's now, and closes it.
fn dismiss(before: &Connected) {
    let message = "another connection took this play session over";
    before.outbox.send(ServerMessage::Error(ErrorMessage::new(ErrorCode::SessionTaken, message)));
    before.outbox.close(Closing::SESSION_TAKEN);
}

async fn fork(shared: &Shared, original: &Id, copy: &Id) -> Result<(), ErrorMessage> {
    let store = &shared.services.store;
    let refuse = |message: String, field: &str| {
        let mut error = ErrorMessage::new(ErrorCode::BadMessage, message);
        error.field = Some(field.to_owned());
        Err(error)
    };
    if !store.has_session(original).await.map_err(|error| broken(original, &error))? {
        return refuse(format!("there is no play session \"{original}\" to copy"), "fork_of");
    }
    if !store.fork(original, copy).await.map_err(|error| broken(copy, &error))? {
        let message = format!("a play session \"{copy}\" exists already: choose another name");
        return refuse(message, "session_id");
    }
    Ok(())
}

/// Takes agents back to the moment after a turn. Their tasks, if any, end first, so that what they
/// wrote lies before what is set aside.
async fn resume(
    shared: &Shared,
    session: &Session,
    connected: &Connected,
    resume_after: &BTreeMap<Id, Id>,
) -> Vec<ErrorMessage> {
    let mut complaints = Vec::new();
    for (agent, turn) in resume_after {
        if !session.put_to_sleep(agent, connected).await {
            break;
        }
        let mut error = match shared.services.store.resume_after(session.id(), agent, turn).await {
            Ok(true) => continue,
            Ok(false) => {
                let message = format!("agent \"{agent}\" has no turn {turn} to resume after");
                ErrorMessage::new(ErrorCode::UnknownTurn, message)
            }
            Err(error) => broken(session.id(), &error),
        };
        error.field = Some(format!("resume_after.{agent}"));
        error.agent_id = Some(agent.clone());
        error.turn_id = Some(turn.clone());
        complaints.push(error);
    }
    complaints
}

fn broken(session: &Id, error: &StoreError) -> ErrorMessage {
    tracing::error!(%session, %error, "a play session could not be opened");
    let message =
        "the store can't be used (see the server's log): nothing that happens now is kept";
    ErrorMessage::new(ErrorCode::Internal, message)
}
