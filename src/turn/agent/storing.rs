//! What becomes of an agent's writes: games are told what they were promised, and what could not be
//! written is written as soon as there is room, in its order.

use dramatis_protocol::{ErrorCode, ErrorMessage, ServerMessage, Stored};
use tokio::sync::oneshot;

use super::Agent;
use super::writes::{Done, Promise, Settled};
use crate::store::StoreError;

impl Agent {
    /// Waits until everything that the agent wrote is committed. What could not be written is tried
    /// once more: nobody remembers it after this.
    pub async fn finish_writes(&mut self) {
        self.await_writes().await;
        // Without a name, the session ends with its connection.
        if self.writes.are_behind() && self.named {
            self.catch_up();
            self.await_writes().await;
            if self.writes.are_behind() {
                tracing::error!(session = %self.session_id, agent = %self.agent_id,
                    "the last of what happened could not be stored, and is lost");
            }
        }
        self.answer_settling();
    }

    async fn await_writes(&mut self) {
        while !self.writes.are_done() {
            let done = self.writes.next_done().await;
            self.acknowledge(done);
        }
    }

    /// Answers, when everything is written or can't be, whether it is.
    pub(super) fn settle(&mut self, done: oneshot::Sender<bool>) {
        self.writes.hurry();
        self.settling.push(done);
    }

    /// Catches up on what could not be written, if that is due.
    pub(super) fn keep_up(&mut self) {
        if self.writes.next_catch_up().is_some_and(|due| due <= self.now()) {
            self.catch_up();
        }
        if self.writes.are_done() {
            self.answer_settling();
        }
    }

    fn answer_settling(&mut self) {
        let is_written = !self.writes.are_behind();
        for done in self.settling.drain(..) {
            // Whoever asked may have gone.
            let _ = done.send(is_written);
        }
    }

    fn catch_up(&mut self) {
        let Some(turns) = self.writes.begin_catch_up() else { return };
        let mut unwritten = self.memory.unwritten(&turns, self.state.last_state().cloned());
        self.add_memories(&mut unwritten);
        self.writes.catch_up(self.named, turns, unwritten);
    }

    /// A write is done: whoever waits for it is told, while its connection is the session's. Of
    /// failures that nobody waits for, the game is told the first.
    pub(super) fn acknowledge(&mut self, done: Done) {
        let (now, memory) = (self.now(), &self.memory);
        match self.writes.settle(done, now, |turn| memory.turn(turn).is_some()) {
            Settled::Stored(promises) => self.keep_promises(promises),
            Settled::CaughtUp(promises) => {
                if std::mem::take(&mut self.told_of_failure) {
                    tracing::info!(session = %self.session_id, agent = %self.agent_id,
                        "what could not be stored has been stored");
                }
                self.keep_promises(promises);
            }
            Settled::Later(error) => {
                if let Some(error) = error {
                    tracing::error!(session = %self.session_id, agent = %self.agent_id, %error,
                        "a write failed; the agent goes on from memory and tries again");
                }
            }
            Settled::Failed(error, promises) => self.report_failure(&error, promises),
        }
    }

    fn keep_promises(&self, promises: Vec<Promise>) {
        for promise in promises {
            if Some(promise.epoch) == self.epoch() {
                let Promise { in_reply_to, turn_id, .. } = promise;
                self.send(ServerMessage::Stored(Stored { in_reply_to, turn_id }));
            }
        }
    }

    fn report_failure(&mut self, error: &StoreError, promises: Vec<Promise>) {
        let told = std::mem::replace(&mut self.told_of_failure, true);
        if !told {
            tracing::error!(session = %self.session_id, agent = %self.agent_id, %error,
                "nothing can be stored; the agent goes on from memory and tries again");
        }
        let epoch = self.epoch();
        let mut waiting =
            promises.into_iter().filter(|waits| Some(waits.epoch) == epoch).peekable();
        if waiting.peek().is_none() && !told {
            let message = "what happens now can't be stored (see the server's log): the agent \
                           goes on from memory, and stores it as soon as there is room";
            self.fail(ErrorMessage::new(ErrorCode::Internal, message));
        }
        for Promise { in_reply_to, turn_id, .. } in waiting {
            let message = "this could not be stored (see the server's log): send it again later";
            self.fail(ErrorMessage {
                in_reply_to: Some(in_reply_to),
                turn_id: Some(turn_id),
                ..ErrorMessage::new(ErrorCode::Internal, message)
            });
        }
    }
}
