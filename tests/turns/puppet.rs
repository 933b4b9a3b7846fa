//! A model whose every delta the test decides.

use std::sync::{Arc, Mutex};

use dramatis::llm::{DeltaStream, ErrorKind, LlmError, Provider, Request};
use dramatis::record::Delta;
use futures::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// One request, and the string that its reply hangs on.
#[derive(Clone)]
pub struct Asked {
    pub request: Arc<Request>,
    pub reply: mpsc::Sender<Result<Delta, LlmError>>,
}

impl Asked {
    /// The agent that asks.
    pub fn agent(&self) -> &str {
        &self.request.cue.as_ref().unwrap().agent
    }

    /// Whether whoever asked still listens.
    pub fn is_open(&self) -> bool {
        !self.reply.is_closed()
    }

    pub fn text(&self, text: &str) {
        self.send(Ok(Delta::Text(text.to_owned())));
    }

    pub fn finish(&self, reason: &str) {
        self.send(Ok(Delta::Finish(reason.to_owned())));
    }

    pub fn fail(&self) {
        self.send(Err(LlmError {
            kind: ErrorKind::Provider,
            message: "the provider failed".to_owned(),
            cause: "a test pulled this string".to_owned(),
            retry_after: None,
        }));
    }

    pub fn send(&self, step: Result<Delta, LlmError>) {
        let _ = self.reply.try_send(step);
    }
}

#[derive(Default)]
pub struct Puppet {
    asked: Mutex<Vec<Asked>>,
}

impl Puppet {
    /// Every request so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Provider for Puppet {
    fn stream(&self, request: Arc<Request>) -> DeltaStream {
        let (reply, deltas) = mpsc::channel(4_096);
        self.asked.lock().unwrap().push(Asked { request, reply });
        ReceiverStream::new(deltas).boxed()
    }
}
