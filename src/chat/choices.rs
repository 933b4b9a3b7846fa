//! What whoever chats has chosen, and what there is to choose from.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ChatError, Chats};
use crate::llm::ModelInfo;

impl Chats {
    /// The model of those who have chosen none.
    #[must_use]
    pub fn default_model(&self) -> &str {
        &self.services.default_model
    }

    /// The models that can be chosen, as far as they are known, the server's own among them.
    #[must_use]
    pub fn models(&self) -> Vec<ModelInfo> {
        let own = self.default_model();
        let mut models = self.services.generator.offered_models(own);
        if !models.iter().any(|model| model.id == own) {
            models.insert(0, ModelInfo::unlisted(own));
        }
        models
    }

    /// Whether a model can be chosen: one that is known, the server's own, one of a local server
    /// (whose list nobody else knows), or one that the settings name.
    #[must_use]
    pub fn knows_model(&self, model: &str) -> bool {
        let generator = &self.services.generator;
        let is_local = || generator.provider_of(model) == "local" && generator.can_ask(model);
        let is_known = || self.models().iter().any(|known| known.id == model);
        model == self.default_model()
            || generator.is_scripted(model)
            || generator.models().names(model)
            || (generator.allows(model, self.default_model()) && (is_local() || is_known()))
    }

    /// What a client has chosen before, if it is known and can still be read.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn client<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, ChatError> {
        let kept = self.services.store.client(id).await?;
        Ok(kept.and_then(|kept| serde_json::from_str(&kept).ok()))
    }

    /// Keeps what a client has chosen.
    ///
    /// # Errors
    /// If it can't be stored.
    pub async fn keep_client<T: Serialize>(&self, id: &str, chosen: &T) -> Result<(), ChatError> {
        let Ok(body) = serde_json::to_string(chosen) else { return Ok(()) };
        Ok(self.services.store.keep_client(id, body, self.services.clock.wall()).await?)
    }
}
