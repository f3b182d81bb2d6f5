//! Making an image from a Dockerfile, by the builder that is in every engine.
//!
//! ```text
//!  find     which Dockerfile, what is left out ─┐
//!  pattern, ignore   what `.dockerignore` says ─┴─► context  the folder, read as it is sent ─► archive ─► POST /build
//!  progress what the engine tells of it ◄────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! BuildKit would want gRPC and a session (`--mount`, `--secret` and here-documents are its own); the
//! engine's own builder takes an archive and tells what it does. A build whose future is dropped is
//! cancelled: the engine ends it when nobody listens.

mod archive;
mod context;
mod find;
mod ignore;
mod pattern;
mod progress;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bollard::auth::DockerCredentials;
use bollard::errors::Error;
use bollard::query_parameters::{BuildImageOptionsBuilder, TagImageOptionsBuilder};
use futures::StreamExt;
use tokio::sync::mpsc;

use self::progress::Progress;
use super::engine::{Engine, words};
use super::pull::{credentials, name};

/// The longest build. An engine says nothing while it reads the context, and a step may say nothing
/// either; nobody waits longer than a day.
const BUILD_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// What is built.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BuildPlan {
    /// The folder that is sent.
    pub context: PathBuf,
    /// The Dockerfile; `Dockerfile` in the context where none is named.
    pub dockerfile: Option<PathBuf>,
    /// What the image is called; the engine calls it `latest` where a name has no tag.
    pub tags: Vec<String>,
    /// Values for the Dockerfile's `ARG`s.
    pub args: BTreeMap<String, String>,
    /// The stage to stop at.
    pub target: Option<String>,
    /// Whether every step is done anew.
    pub ignores_cache: bool,
    /// Whether base images are fetched, also where they are there.
    pub fetches_bases: bool,
}

/// What an engine tells while it builds: text, as its steps print it, with its line ends.
pub type BuildNewsSender = mpsc::Sender<String>;

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A name that no image can have.
    #[error("cannot call an image `{tag}`: {found}")]
    Tag {
        /// As it was given.
        tag: String,
        /// What is wrong with it.
        found: &'static str,
    },
    /// The context, the Dockerfile or a `.dockerignore` cannot be read.
    #[error("cannot use `{}`: {found}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Something in the context cannot be sent.
    #[error("cannot send the context: {found}")]
    Context {
        /// Its name and what is wrong with it.
        found: String,
    },
    /// A step of the Dockerfile failed.
    #[error("failed at `{step}`: {found}")]
    Step {
        /// As the engine numbers it: `Step 2/3 : RUN make`.
        step: String,
        /// What the engine said.
        found: String,
    },
    /// The engine refused, or went away.
    #[error("{found}")]
    Engine {
        /// What it said.
        found: String,
    },
}

// === impl Engine ===

impl Engine {
    /// Builds an image and gives its id. `home` is where the user's configuration of Docker is, with
    /// what registries want to know.
    ///
    /// # Errors
    /// There is none; nothing of it is called by one of its names then.
    pub async fn build(
        &self,
        plan: &BuildPlan,
        home: Option<&Path>,
        news_tx: &BuildNewsSender,
    ) -> Result<String, BuildError> {
        for tag in &plan.tags {
            let parsed = name::parse(tag);
            parsed.map_err(|found| BuildError::Tag { tag: tag.clone(), found })?;
        }
        let (folder, dockerfile) = (plan.context.clone(), plan.dockerfile.clone());
        let found = tokio::task::spawn_blocking(move || find::find(&folder, dockerfile.as_deref())).await;
        let found = found.map_err(|error| BuildError::Context { found: error.to_string() })??;
        let credentials = credentials_for(&find::bases(&found.text), home).await;
        let id = self.send(plan, found.context, credentials, news_tx).await?;
        for tag in plan.tags.iter().skip(1) {
            self.tag(&id, tag).await.map_err(|error| BuildError::Engine { found: told(&error) })?;
            let _ = news_tx.send(format!("Successfully tagged {tag}\n")).await;
        }
        Ok(id)
    }

    async fn send(
        &self,
        plan: &BuildPlan,
        context: context::Context,
        credentials: HashMap<String, DockerCredentials>,
        news_tx: &BuildNewsSender,
    ) -> Result<String, BuildError> {
        let BuildPlan { context: _, dockerfile: _, tags, args, target, ignores_cache, fetches_bases } = plan;
        let mut options = BuildImageOptionsBuilder::new()
            .dockerfile(&context.dockerfile)
            .buildargs(&args.clone().into_iter().collect::<HashMap<_, _>>())
            .nocache(*ignores_cache)
            // As the Docker CLI has them: no container of a step stays, also of one that failed.
            .rm(true)
            .forcerm(true);
        if let Some(tag) = tags.first() {
            options = options.t(tag);
        }
        if let Some(target) = target {
            options = options.target(target);
        }
        if *fetches_bases {
            options = options.pull("1");
        }
        // Why the archive has no end: the engine only sees that it has none.
        let unsendable = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&unsendable);
        let pieces_rx = archive::pieces(move |to| {
            let written = context.write(to);
            if let Err(error) = &written
                && error.kind() != std::io::ErrorKind::BrokenPipe
            {
                *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
            }
            written
        });
        let pieces = futures::stream::unfold(pieces_rx, |mut pieces_rx| async {
            pieces_rx.recv().await.map(|piece| (piece, pieces_rx))
        });
        let body = bollard::body_try_stream(pieces);
        let docker = self.patient(BUILD_WITHIN);
        let mut told_of = std::pin::pin!(docker.build_image(options.build(), Some(credentials), Some(body)));
        let mut progress = Progress::default();
        while let Some(info) = told_of.next().await {
            let info = info.map_err(|error| {
                let unsendable = unsendable.lock().unwrap_or_else(PoisonError::into_inner).take();
                match (unsendable, progress.step()) {
                    (Some(found), _) => BuildError::Context { found },
                    (None, Some(step)) => BuildError::Step { step: step.to_owned(), found: told(&error) },
                    (None, None) => BuildError::Engine { found: told(&error) },
                }
            })?;
            if let Some(text) = progress.learn(info) {
                let _ = news_tx.send(text).await;
            }
        }
        progress.into_id().ok_or_else(|| BuildError::Engine { found: "the engine names no image".to_owned() })
    }

    async fn tag(&self, id: &str, tag: &str) -> Result<(), Error> {
        // A colon behind the last slash begins the tag.
        let (repo, tag) =
            tag.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((tag, "latest"));
        let options = TagImageOptionsBuilder::new().repo(repo).tag(tag).build();
        self.docker().tag_image(id, Some(options)).await
    }
}

// === impl BuildError ===

impl BuildError {
    /// What somebody can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Step { step, .. } if step.contains("--mount") => {
                Some("`RUN --mount` is BuildKit's; build with `docker buildx build --load`, or do without")
            }
            Self::Tag { .. }
            | Self::File { .. }
            | Self::Context { .. }
            | Self::Step { .. }
            | Self::Engine { .. } => None,
        }
    }
}

/// What registries of base images want to know, by registry.
async fn credentials_for(bases: &[String], home: Option<&Path>) -> HashMap<String, DockerCredentials> {
    let mut found = HashMap::new();
    for base in bases {
        let Ok(reference) = name::parse(base) else { continue };
        if let Some(credential) = credentials::of(&reference.registry, &[], home).await {
            let server = credential.serveraddress.clone().unwrap_or(reference.registry);
            found.insert(server, credential);
        }
    }
    found
}

fn told(error: &Error) -> String {
    match error {
        Error::DockerStreamError { error } => error.trim().to_owned(),
        error => words(error),
    }
}
