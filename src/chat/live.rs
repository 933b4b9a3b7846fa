//! Replies under way. A reply is a task's own; doors only listen. What has come so far stands here
//! once, whoever listens and however slowly: a listener that falls behind finds more at a time, and
//! costs nothing. One that comes later, or comes again, says which piece it saw last.
//!
//! A session has one reply at a time: whoever wants to begin one, or to delete the session, takes its
//! [`Place`] first.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dramatis_protocol::Id;
use dramatis_protocol::rpc::FaultCode;
use tokio::sync::watch;
use tokio::time::Instant;

use super::end::{CancelReason, End, Outcome};

/// Most listeners of one reply.
const MAX_LISTENERS: usize = 32;

/// Longest piece, in bytes: what is longer becomes several, so that a listener can send one at a time.
const PIECE_BYTES: usize = 16 * 1024;

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
    /// When the first piece came.
    began: Option<Instant>,
    end: Option<Arc<End>>,
}

impl Progress {
    /// Where the piece after so many begins.
    fn begin(&self, heard: usize) -> usize {
        let end = heard.checked_sub(1).map(|last| self.ends.get(last).copied());
        end.map_or(0, |end| end.unwrap_or(self.text.len()))
    }

    /// The pieces behind so many that can be sent in one go: their number with those before, and where
    /// they end.
    fn next(&self, heard: usize) -> Option<(usize, usize)> {
        let most = self.begin(heard) + PIECE_BYTES;
        let fitting = self.ends.partition_point(|end| *end <= most);
        let last = fitting.max(heard + 1);
        self.ends.get(last - 1).map(|end| (last, *end))
    }
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

/// Where the first piece of a text ends.
fn piece_end(text: &str) -> usize {
    let mut end = text.len().min(PIECE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    end
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

    /// Adds a piece, or several if it is long.
    pub fn push(&self, text: &str) {
        {
            let mut progress = self.reply.progress();
            progress.began.get_or_insert_with(Instant::now);
            let mut rest = text;
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(piece_end(rest));
                progress.text.push_str(piece);
                let end = progress.text.len();
                progress.ends.push(end);
                rest = behind;
            }
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
    /// More text, never empty: a piece, or as many as are short enough together.
    Text {
        /// The text.
        text: &'a str,
        /// The number of its last piece, from 1.
        piece: usize,
        /// How long ago the first piece came.
        since: Duration,
    },
    /// The reply is over; nothing follows.
    End(&'a Arc<End>),
}

impl Listener {
    fn new(reply: &Arc<Reply>, after: usize, leaving: Leaving) -> Option<Self> {
        if reply.more.receiver_count() >= MAX_LISTENERS {
            return None;
        }
        let more = reply.more.subscribe();
        Some(Self { reply: Arc::clone(reply), more, heard: after, leaving, is_over: false })
    }

    /// Waits until there is something new. Safe to be dropped.
    pub async fn changed(&mut self) {
        while !self.has_new() {
            // It can't fail: the reply that is listened to holds the other side.
            let _ = self.more.changed().await;
        }
    }

    fn has_new(&self) -> bool {
        let progress = self.reply.progress();
        self.heard < progress.ends.len() || (progress.end.is_some() && !self.is_over)
    }

    /// Looks at what is new: text, as much as is sent in one go, and at last the end. `None`: nothing is.
    pub fn look<T>(&mut self, see: impl FnOnce(New<'_>) -> T) -> Option<T> {
        let progress = self.reply.progress();
        let begin = progress.begin(self.heard);
        if let Some((piece, end)) = progress.next(self.heard) {
            self.heard = piece;
            let since = progress.began.map_or(Duration::ZERO, |began| began.elapsed());
            let text = progress.text.get(begin..end).unwrap_or_default();
            return Some(see(New::Text { text, piece, since }));
        }
        let end = progress.end.as_ref().filter(|_| !self.is_over)?;
        self.is_over = true;
        Some(see(New::End(end)))
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
                New::Text { text, piece, .. } => all.push_str(&format!("{text}[{piece}]")),
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
    fn much_at_once_is_heard_in_parts() {
        let live = Live::default();
        let place = live.take(&"s".into()).unwrap();
        let mut listener = place.listen(Leaving::Nothing).unwrap();
        let text = "é".repeat(PIECE_BYTES + 1);
        place.push(&text);
        place.push("!");
        let mut parts = Vec::new();
        while let Some(part) = listener.look(|new| match new {
            New::Text { text, .. } => text.to_owned(),
            New::End(_) => String::new(),
        }) {
            parts.push(part);
        }
        assert!(parts.iter().all(|part| part.len() <= PIECE_BYTES), "{}", parts.len());
        assert_eq!((parts.len(), parts.concat()), (3, text + "!"));
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
