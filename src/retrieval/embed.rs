//! Texts to vectors: an OpenAI-compatible endpoint, or a static model from a folder (feature
//! `embed-local`). Without either, words alone are looked for. A failure is told and costs the
//! vectors, never the turn.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;
use serde_json::json;

use crate::llm::{ProviderSettings, SettingsError, causes};

/// For one connection to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// The largest answer, in bytes: 64 vectors of 4,096 numbers, generously written.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How much of an error's body is told, in characters.
const EXCERPT_CHARS: usize = 300;

/// Why there are no vectors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EmbedError {
    /// The endpoint can't be reached, or refuses.
    #[error("the embedding endpoint failed: {0}")]
    Endpoint(String),
    /// The endpoint does not take what it is sent.
    #[error("the embedding endpoint refuses: {0}")]
    Refused(String),
    /// It answers something else than vectors.
    #[error("the embedding endpoint's answer can't be used: {0}")]
    Answer(String),
    /// The folder's model can't be read, or fails.
    #[error("the local embedding model failed: {0}")]
    Local(String),
    /// It took too long.
    #[error("the embedding model took longer than {0:?}")]
    Slow(Duration),
}

impl EmbedError {
    /// Whether it may be due to what the texts are, and not to the model's being away.
    pub(super) const fn may_be_of_texts(&self) -> bool {
        !matches!(self, Self::Endpoint(_))
    }
}

/// A model that makes vectors.
pub trait Embed: Send + Sync {
    /// Its name. Vectors under another name are not comparable with its own.
    fn model(&self) -> &str;

    /// A vector of length 1 for each text, all of one size. How long it may take is the caller's
    /// business; dropping the future ends the work.
    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>>;
}

/// An endpoint that speaks OpenAI's `/embeddings`.
pub struct Endpoint {
    settings: Arc<ProviderSettings>,
    client: reqwest::Client,
    model: String,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Embedding>,
}

#[derive(Deserialize)]
struct Embedding {
    /// Some servers leave it out; then the order is that of the question.
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Endpoint {
    /// Prepares an endpoint; nothing is sent. The base URL is what stands before `/embeddings`.
    ///
    /// # Errors
    /// If the HTTP client can't be made.
    pub fn new(settings: ProviderSettings, model: &str) -> Result<Self, SettingsError> {
        let client = settings.client(CONNECT)?;
        Ok(Self { settings: Arc::new(settings), client, model: model.to_owned() })
    }
}

impl Embed for Endpoint {
    fn model(&self) -> &str {
        &self.model
    }

    fn embed(&self, texts: Vec<String>) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
        let settings = Arc::clone(&self.settings);
        let body = json!({ "model": self.model, "input": texts });
        let request = self.settings.post(&self.client, "embeddings").json(&body);
        async move {
            let answer = ask(request).await.map_err(|error| match error {
                EmbedError::Endpoint(cause) => EmbedError::Endpoint(settings.redact(&cause)),
                EmbedError::Refused(cause) => EmbedError::Refused(settings.redact(&cause)),
                EmbedError::Answer(cause) => EmbedError::Answer(settings.redact(&cause)),
                other => other,
            })?;
            in_order(answer, texts.len())
        }
        .boxed()
    }
}

async fn ask(request: reqwest::RequestBuilder) -> Result<Answer, EmbedError> {
    let failed = |error: reqwest::Error| EmbedError::Endpoint(causes(&error.without_url()));
    let mut response = request.send().await.map_err(failed)?;
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(failed)? {
        if body.len() + piece.len() > ANSWER_BYTES {
            return Err(EmbedError::Answer(format!("it has more than {ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&piece);
    }
    if !response.status().is_success() {
        let excerpt: String = String::from_utf8_lossy(&body).chars().take(EXCERPT_CHARS).collect();
        let error = format!("{}: {excerpt}", response.status());
        return Err(match response.status().as_u16() {
            // Some servers fail on a text that is too long for them.
            400 | 413 | 422 | 500 => EmbedError::Refused(error),
            _ => EmbedError::Endpoint(error),
        });
    }
    serde_json::from_slice(&body).map_err(|error| EmbedError::Answer(error.to_string()))
}

/// The vectors in the order of the texts, each of length 1.
fn in_order(answer: Answer, texts: usize) -> Result<Vec<Vec<f32>>, EmbedError> {
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; texts];
    let count = answer.data.len();
    for (place, Embedding { index, embedding }) in answer.data.into_iter().enumerate() {
        let index = index.unwrap_or(place);
        let vector = unit(embedding);
        match (vectors.get_mut(index), vector) {
            (Some(room @ None), Some(vector)) => *room = Some(vector),
            (Some(None), None) => {
                return Err(EmbedError::Answer(format!("vector {index} has no direction")));
            }
            _ => return Err(EmbedError::Answer(format!("its index {index} makes no sense"))),
        }
    }
    let vectors: Option<Vec<Vec<f32>>> = vectors.into_iter().collect();
    let vectors = vectors
        .ok_or_else(|| EmbedError::Answer(format!("it has {count} vectors for {texts} texts")))?;
    let sizes_differ = vectors.windows(2).any(|pair| match pair {
        [one, other] => one.len() != other.len(),
        _ => false,
    });
    if sizes_differ {
        return Err(EmbedError::Answer("its vectors have different sizes".to_owned()));
    }
    Ok(vectors)
}

/// The vector with length 1; none if it has no direction.
#[must_use]
pub fn unit(mut vector: Vec<f32>) -> Option<Vec<f32>> {
    let length = vector.iter().map(|it| f64::from(*it) * f64::from(*it)).sum::<f64>().sqrt();
    if !length.is_finite() || length < 1e-12 {
        return None;
    }
    for number in &mut vector {
        #[expect(clippy::cast_possible_truncation, reason = "a vector's numbers are 32 bits wide")]
        let scaled = (f64::from(*number) / length) as f32;
        *number = scaled;
    }
    Some(vector)
}

#[cfg(feature = "embed-local")]
pub use local::Local;

#[cfg(feature = "embed-local")]
mod local {
    //! A model2vec model: a table of vectors, one for each token. Microseconds for a sentence.

    use std::path::Path;

    use futures::FutureExt;
    use futures::future::BoxFuture;
    use model2vec_rs::model::StaticModel;

    use super::{Embed, EmbedError, unit};

    /// A static model from a folder with `config.json`, `tokenizer.json` and `model.safetensors`.
    pub struct Local {
        model: StaticModel,
        name: String,
    }

    impl Local {
        /// Reads the model. It is named after its folder.
        ///
        /// # Errors
        /// If the folder holds no model that can be read.
        pub fn open(folder: &Path) -> Result<Self, EmbedError> {
            let failed = |error: &dyn std::fmt::Display| {
                EmbedError::Local(format!(
                    "{} holds no static model ({error}): choose a folder with config.json, \
                     tokenizer.json and model.safetensors",
                    folder.display()
                ))
            };
            if !folder.is_dir() {
                return Err(failed(&"it is no folder"));
            }
            let model = StaticModel::from_pretrained(folder, None, Some(true), None)
                .map_err(|error| failed(&error))?;
            let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            Ok(Self { name: format!("local/{name}/{}", model.dim()), model })
        }
    }

    impl Embed for Local {
        fn model(&self) -> &str {
            &self.name
        }

        fn embed(
            &self,
            texts: Vec<String>,
        ) -> BoxFuture<'static, Result<Vec<Vec<f32>>, EmbedError>> {
            let model = self.model.clone();
            let size = model.dim();
            async move {
                let work = tokio::task::spawn_blocking(move || model.encode(&texts));
                let vectors =
                    work.await.map_err(|_| EmbedError::Local("it broke down".to_owned()))?;
                // A text without a known token has no direction and is like nothing else.
                let or_none = |vector| unit(vector).unwrap_or_else(|| vec![0.0; size]);
                Ok(vectors.into_iter().map(or_none).collect())
            }
            .boxed()
        }
    }
}
