//! Replies under way. A reply is a task's own; doors only listen. What has come so far stands here
//! once, whoever listens and however slowly: a listener that falls behind finds more at a time, and
//! costs nothing. One that comes later, or comes again, says which piece it saw last.
//!
//! A session has one reply at a time: whoever wants to begin one, or to delete the session, takes its
//! [`Place`] first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dramatis_protocol::Id;
use dramatis_protocol::rpc::FaultCode;
use tokio::sync::watch;

use super::end::{CancelReason, End, Outcome};

/// Most listeners of one reply.
const MAX_LISTENERS: usize = 32;

/// All replies under way. Clones share them.
#[derive(Clone, Default)]
pub struct Live {
    replies: Arc<Mutex<HashMap<Id, Arc<Reply>>>>,
}

/// What becomes of a reply when a listener leaves before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It is cancelled.
    Cancels,
    /// It goes on.
    Nothing,
}

/// A reply, as its listeners share it.
struct Reply {
    progress: Mutex<Progress>,
    /// Tells that there is more.
    more: watch::Sender<()>,
    cancelled: watch::Sender<Option<CancelReason>>,
}

#[derive(Default)]
struct Progress {
    text: String,
    /// Where each piece ends.
    ends: Vec<usize>,
    end: Option<Arc<End>>,
}

impl Live {
    /// The place of a session; `None`: somebody has it.
    #[must_use]
    pub fn take(&self, session: &Id) -> Option<Place> {
        let mut replies = self.replies();
        if replies.contains_key(session) {
            return None;
        }
        let reply = Arc::new(Reply {
            progress: Mutex::default(),
            more: watch::Sender::new(()),
            cancelled: watch::Sender::new(None),
        });
        replies.insert(session.clone(), Arc::clone(&reply));
        Some(Place { live: self.clone(), session: session.clone(), reply })
    }

    /// Listens to the reply under way in a session, from behind the piece `after` on (0: from the
    /// beginning). `None`: there is none, or enough listen to it.
    #[must_use]
    pub fn listen(&self, session: &str, after: usize, leaving: Leaving) -> Option<Listener> {
        let reply = self.replies().get(session).cloned()?;
        Listener::new(&reply, after, leaving)
    }

    /// Cancels the reply under way in a session. `false`: there is none.
    #[must_use]
    pub fn cancel(&self, session: &str, reason: CancelReason) -> bool {
        let reply = self.replies().get(session).cloned();
        reply.inspect(|reply| reply.cancel(reason)).is_some()
    }

    /// Cancels every reply.
    pub fn cancel_all(&self, reason: CancelReason) {
        for reply in self.replies().values() {
            reply.cancel(reason);
        }
    }

    /// How many replies are under way.
    #[must_use]
    pub fn count(&self) -> usize {
        self.replies().len()
    }

    fn replies(&self) -> MutexGuard<'_, HashMap<Id, Arc<Reply>>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reply {
    /// The first reason counts.
    fn cancel(&self, reason: CancelReason) {
        self.cancelled.send_if_modified(|cancelled| {
            let is_first = cancelled.is_none();
            cancelled.get_or_insert(reason);
            is_first
        });
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's place, held by the task of its reply. Nobody else begins one until it is given back,
/// by [`Place::end`] or by dropping it.
pub struct Place {
    live: Live,
    session: Id,
    reply: Arc<Reply>,
}

impl Place {
    /// Listens from the beginning; `None`: enough listen.
    #[must_use]
    pub fn listen(&self, leaving: Leaving) -> Option<Listener> {
        Listener::new(&self.reply, 0, leaving)
    }

    /// Adds a piece.
    pub fn push(&self, text: &str) {
        {
            let mut progress = self.reply.progress();
            progress.text.push_str(text);
            let end = progress.text.len();
            progress.ends.push(end);
        }
        self.reply.more.send_replace(());
    }

    /// How many pieces there are.
    #[must_use]
    pub fn pieces(&self) -> usize {
        self.reply.progress().ends.len()
    }

    /// What has come so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.reply.progress().text.clone()
    }

    /// Resolves when somebody cancels.
    pub fn cancelled(&self) -> impl Future<Output = CancelReason> + Send + use<> {
        let mut cancelled = self.reply.cancelled.subscribe();
        async move {
            let reason = cancelled.wait_for(Option::is_some).await.ok().and_then(|told| *told);
            match reason {
                Some(reason) => reason,
                None => std::future::pending().await,
            }
        }
    }

    /// Gives the place back, then tells the end: whoever hears of it finds the session free.
    pub fn end(self, end: End) {
        self.leave(end);
    }

    fn leave(&self, end: End) {
        {
            let mut replies = self.live.replies();
            if replies.get(&self.session).is_some_and(|reply| Arc::ptr_eq(reply, &self.reply)) {
                replies.remove(&self.session);
            }
        }
        self.reply.progress().end.get_or_insert_with(|| Arc::new(end));
        self.reply.more.send_replace(());
    }
}

/// A task that ended before its time leaves nobody waiting.
impl Drop for Place {
    fn drop(&mut self) {
        let message = "the reply broke off within the server: try again".to_owned();
        self.leave(End::of(Outcome::Failed { code: FaultCode::ProviderError, message }));
    }
}

/// Somebody who hears a reply.
pub struct Listener {
    reply: Arc<Reply>,
    more: watch::Receiver<()>,
    heard: usize,
    leaving: Leaving,
    is_over: bool,
}

/// What is new to a listener.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum New<'a> {
    /// More text, never empty.
    Text {
        /// The text.
        text: &'a str,
        /// The number of its last piece, from 1.
        piece: usize,
    },
    /// The reply is over; nothing follows.
    End(&'a Arc<End>),
}

impl Listener {
    fn new(reply: &Arc<Reply>, after: usize, leaving: Leaving) -> Option<Self> {
        if reply.more.receiver_count() >= MAX_LISTENERS {
            return None;
        }
        let mut more = reply.more.subscribe();
        // What is there already is new to it.
        more.mark_changed();
        Some(Self { reply: Arc::clone(reply), more, heard: after, leaving, is_over: false })
    }

    /// Waits until there may be something new. Safe to be dropped.
    pub async fn changed(&mut self) {
        if self.more.changed().await.is_err() {
            // Nobody can add anything; what is there is seen by `look`.
            self.more.mark_unchanged();
        }
    }

    /// Looks at what is new: all of the text at once, then the end. `None`: nothing is.
    pub fn look<T>(&mut self, see: impl FnOnce(New<'_>) -> T) -> Option<T> {
        let progress = self.reply.progress();
        let begin = match self.heard.checked_sub(1) {
            Some(last) => progress.ends.get(last).copied(),
            None => Some(0),
        };
        let begin = begin.unwrap_or(progress.text.len());
        match progress.text.get(begin..).filter(|text| !text.is_empty()) {
            Some(text) => {
                self.heard = progress.ends.len();
                Some(see(New::Text { text, piece: self.heard }))
            }
            None if self.is_over => None,
            None => {
                let end = progress.end.as_ref()?;
                self.is_over = true;
                Some(see(New::End(end)))
            }
        }
    }

    /// Cancels the reply.
    pub fn cancel(&self, reason: CancelReason) {
        self.reply.cancel(reason);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.leaving == Leaving::Cancels && !self.is_over {
            self.reply.cancel(CancelReason::Left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end() -> End {
        End::of(Outcome::Finished { reason: "stop".to_owned() })
    }

    /// Everything that is new, texts and `.` for the end.
    fn heard(listener: &mut Listener) -> String {
        let mut all = String::new();
        while listener
            .look(|new| match new {
                New::Text { text, piece } => all.push_str(&format!("{text}[{piece}]")),
                New::End(_) => all.push('.'),
            })
            .is_some()
        {}
        all
    }

    #[test]
    fn each_listener_hears_everything_once_and_the_slow_one_more_at_a_time() {
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        let mut quick = place.listen(Leaving::Nothing).unwrap();
        let mut slow = place.listen(Leaving::Nothing).unwrap();
        place.push("Good ");
        assert_eq!(heard(&mut quick), "Good [1]");
        place.push("eve");
        place.push("ning");
        assert_eq!(heard(&mut quick), "evening[3]");
        let mut late = live.listen("s", 0, Leaving::Nothing).unwrap();
        let mut again = live.listen("s", 1, Leaving::Nothing).unwrap();
        let mut beyond = live.listen("s", 99, Leaving::Nothing).unwrap();
        place.end(end());
        assert_eq!(heard(&mut quick), ".");
        assert_eq!(heard(&mut slow), "Good evening[3].");
        assert_eq!(heard(&mut late), "Good evening[3].");
        assert_eq!(heard(&mut again), "evening[3].");
        assert_eq!(heard(&mut beyond), ".");
        assert_eq!(heard(&mut quick), "", "the end comes once");
        assert!(live.listen("s", 0, Leaving::Nothing).is_none());
    }

    #[test]
    fn a_session_has_one_reply_and_is_free_when_its_end_is_told() {
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        assert!(live.take(&"s".into()).is_none());
        assert!(live.take(&"t".into()).is_some());
        let mut listener = place.listen(Leaving::Nothing).unwrap();
        assert_eq!(live.count(), 1, "the place that was dropped is free");
        place.end(end());
        listener.look(|_| assert!(live.take(&"s".into()).is_some())).unwrap();
    }

    #[tokio::test]
    async fn the_first_reason_to_cancel_counts() {
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        let listener = place.listen(Leaving::Cancels).unwrap();
        assert!(live.cancel("s", CancelReason::User) && !live.cancel("t", CancelReason::User));
        drop(listener);
        assert_eq!(place.cancelled().await, CancelReason::User);
    }

    #[tokio::test]
    async fn who_leaves_cancels_only_if_that_is_its_rule_and_only_before_the_end() {
        use futures::FutureExt;
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        drop(place.listen(Leaving::Nothing));
        assert_eq!(place.cancelled().now_or_never(), None);
        drop(place.listen(Leaving::Cancels));
        assert_eq!(place.cancelled().now_or_never(), Some(CancelReason::Left));
    }

    #[tokio::test]
    async fn waiting_ends_with_every_change_and_with_the_end() {
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        place.push("a");
        let mut listener = place.listen(Leaving::Cancels).unwrap();
        listener.changed().await;
        assert_eq!(heard(&mut listener), "a[1]");
        let (told, _) = tokio::join!(
            async {
                listener.changed().await;
                heard(&mut listener)
            },
            async { place.end(end()) }
        );
        assert_eq!(told, ".");
    }

    #[test]
    fn only_so_many_listen() {
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        let mut all: Vec<_> = std::iter::from_fn(|| place.listen(Leaving::Nothing)).collect();
        assert_eq!(all.len(), MAX_LISTENERS);
        all.pop();
        assert!(place.listen(Leaving::Nothing).is_some());
    }
}
