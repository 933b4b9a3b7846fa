//! The assets of commands that look at them without serving.

use std::collections::HashMap;
use std::path::Path;

use super::compose;
use super::serve::read_settings;
use crate::assets::Library;
use crate::config::Sources;

/// Those of a folder; without one, of the folder that the server would use from here.
pub(super) fn library(folder: Option<&Path>) -> anyhow::Result<Library> {
    if folder.is_some() {
        return Ok(Library::open(folder)?);
    }
    let sources = Sources::of_folder(Path::new("."), HashMap::new())?;
    let folder = compose::assets_folder(&read_settings(&sources)?);
    Ok(Library::open(folder.as_deref())?)
}
