//! The image of what Spur itself runs in containers: made once for each build, of this executable and
//! the libraries that it names, so that nothing is pulled.

use std::path::PathBuf;

use bollard::errors::Error;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::{StreamExt, TryStreamExt};
use spur_holder::Image;
use tokio::sync::Mutex;

use super::engine::{Engine, is_missing, words};
use crate::causes::with_causes;

/// The name by which a container asks for this image, for programs that are in this executable: its
/// program is [`SELF_PROGRAM`].
pub const SELF_IMAGE: &str = "spur.dev/self";
/// The executable in it.
pub const SELF_PROGRAM: &str = "/spur";

/// The image, as soon as somebody needs it.
#[derive(Debug)]
pub(super) struct OwnImage {
    executable: PathBuf,
    /// Its name, once it is on the engine.
    made: Mutex<Option<String>>,
}

// === impl OwnImage ===

impl OwnImage {
    pub(super) fn new(executable: PathBuf) -> Self {
        Self { executable, made: Mutex::default() }
    }

    /// Its name; it is on the engine then.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub(super) async fn name(&self, engine: &Engine) -> Result<String, String> {
        let mut made = self.made.lock().await;
        if let Some(name) = &*made {
            return Ok(name.clone());
        }
        let executable = self.executable.clone();
        let image = tokio::task::spawn_blocking(move || Image::of(&executable)).await;
        let image = image.map_err(|error| error.to_string())?.map_err(|error| with_causes(&error))?;
        let name = image.name();
        match engine.docker().inspect_image(&name).await {
            Ok(_) => {}
            Err(error) if is_missing(&error) => {
                import(engine, image)
                    .await
                    .map_err(|error| format!("make image `{name}`: {}", words(&error)))?;
            }
            Err(error) => return Err(words(&error)),
        }
        Ok(made.insert(name).clone())
    }

    /// It may have been removed: it is looked for again when it is next needed.
    pub(super) async fn forget(&self) {
        *self.made.lock().await = None;
    }
}

async fn import(engine: &Engine, image: Image) -> Result<(), Error> {
    let name = image.name();
    let (repo, tag) = name.split_once(':').unwrap_or((&name, "latest"));
    let [program, argument] = Image::ENTRYPOINT;
    let entrypoint = vec![format!("ENTRYPOINT [\"{program}\", \"{argument}\"]")];
    let options =
        CreateImageOptionsBuilder::new().from_src("-").repo(repo).tag(tag).changes(entrypoint).build();
    let pieces = futures::stream::unfold(image.stream(), |mut pieces_rx| async {
        pieces_rx.recv().await.map(|piece| (piece, pieces_rx))
    });
    let body = bollard::body_try_stream(pieces.boxed());
    engine.docker().create_image(Some(options), Some(body), None).try_collect::<Vec<_>>().await?;
    Ok(())
}
