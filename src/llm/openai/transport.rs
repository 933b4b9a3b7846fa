//! The middleware below the client library: it hands the library's request to our [`Exchange`] and
//! keeps the [`Answer`] for us; for the library the matter is closed then.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use reqwest::Response;

use crate::llm::exchange::{Answer, Exchange, with_body};
use crate::llm::fault::Fault;
use crate::llm::settings::causes;

/// The middleware, for one attempt. Clones share the answer.
#[derive(Clone)]
pub struct Transport {
    exchange: Exchange,
    answer: Arc<Mutex<Option<Answer>>>,
}

impl Transport {
    pub fn new(exchange: Exchange) -> Self {
        Self { exchange, answer: Arc::default() }
    }

    /// What came back; once.
    pub fn answer(&self) -> Option<Answer> {
        self.answer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn exchange(&self, factory: HttpRequestFactory) -> Result<Answer, Fault> {
        let request = factory.build().await.map_err(|error| {
            let cause = self.exchange.settings.redact(&causes(&error));
            Fault::odd("the request could not be made", &cause)
        })?;
        self.exchange.send(request).await
    }
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = Pin<Box<dyn Future<Output = Result<Response, OpenAIError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            match this.exchange(factory).await {
                Ok(answer) => {
                    *this.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
                    Ok(with_body("null".into()))
                }
                Err(fault) => Err(OpenAIError::Boxed(Box::new(fault))),
            }
        })
    }
}
