//! The file in which lists of models wait for the next start. It holds nothing that couldn't be
//! fetched again, so whatever is wrong with it is told and forgotten.

use std::io::{ErrorKind, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ModelInfo;

/// The version that this program writes, and the only one that it reads.
const VERSION: u32 = 1;

/// Most bytes of a file that is read.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    lists: Vec<Kept>,
}

/// What one provider has listed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub provider: String,
    /// Where it was asked.
    pub base_url: String,
    pub models: Vec<ModelInfo>,
}

/// What the file holds; nothing, if there is none or it can't be used.
pub(super) fn load(path: &Path) -> Vec<Kept> {
    read(path).unwrap_or_else(|problem| {
        tracing::warn!("{}: {problem}: the list of models is fetched anew", path.display());
        Vec::new()
    })
}

fn read(path: &Path) -> Result<Vec<Kept>, String> {
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let file: File = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    if file.version != VERSION {
        return Err(format!("it has version {}, not {VERSION}", file.version));
    }
    let is_price = |price: f64| price.is_finite() && price >= 0.0;
    let mut lists = file.lists;
    for list in &mut lists {
        list.models.retain(|it| {
            [it.prompt_price, it.completion_price].into_iter().chain(it.cached_price).all(is_price)
        });
    }
    Ok(lists)
}

/// Writes the file beside its place and then puts it there, so that it is never half of one.
///
/// # Errors
/// If that can't be done.
pub(super) async fn save(path: &Path, lists: &[Kept]) -> std::io::Result<()> {
    let file = File { version: VERSION, lists: lists.to_vec() };
    let text = serde_json::to_vec(&file)?;
    let beside = path.with_extension("json.new");
    tokio::fs::write(&beside, text).await?;
    tokio::fs::rename(&beside, path).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(id: &str, price: f64) -> ModelInfo {
        ModelInfo {
            id: id.to_owned(),
            name: id.to_owned(),
            prompt_price: price,
            completion_price: price,
            cached_price: None,
        }
    }

    #[tokio::test]
    async fn what_is_saved_is_read_and_what_is_spoilt_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("models.json");
        assert_eq!(read(&path), Ok(Vec::new()));
        let list = Kept {
            provider: "groq".to_owned(),
            base_url: "http://127.0.0.1:1".to_owned(),
            models: vec![model("a", 0.15), model("b", 0.0)],
        };
        save(&path, std::slice::from_ref(&list)).await.unwrap();
        save(&path, std::slice::from_ref(&list)).await.unwrap();
        assert_eq!(read(&path), Ok(vec![list]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

        for text in ["", "{", "[]", r#"{"version":2,"lists":[]}"#, r#"{"version":1}"#] {
            std::fs::write(&path, text).unwrap();
            assert!(read(&path).is_err() && load(&path).is_empty(), "{text}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(load(&path).is_empty());
        let list = Kept {
            provider: "p".to_owned(),
            base_url: "b".to_owned(),
            models: vec![model("a", -1.0), model("b", 1.0)],
        };
        save(&path, &[list]).await.unwrap();
        assert_eq!(load(&path)[0].models, [model("b", 1.0)]);
    }
}
