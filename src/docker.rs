//! The Docker runtime of `spur up`: which engine, whose containers, and why there is none.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use spur_cli::args::RuntimeChoice;
use spur_runtime::docker::{DockerConfig, DockerRuntime, Engine, EngineError, Environment};

use crate::config::Config;
use crate::identity;

/// How long an engine may take to answer where nobody has asked for it: one that works answers in
/// milliseconds, and one that hangs must not hold up whoever runs processes.
const ANSWERS_WITHIN: Duration = Duration::from_secs(2);

/// The runtime, or why there is none, for people.
pub(crate) type Docker = std::result::Result<Arc<DockerRuntime>, Arc<str>>;

/// Connects to the engine and takes over the containers of the environment that lives in `data`.
///
/// # Errors
/// Docker was asked for, and there is none.
pub(crate) async fn open(data: &Path, config: &Config, choice: RuntimeChoice) -> Result<Docker> {
    let connect = async {
        let engine = Engine::connect(config.docker.clone()).await?;
        // The engine wants whole paths.
        let dir = std::path::absolute(data).context("failed to tell where the data directory is")?;
        let config = DockerConfig {
            environment: Environment::new(&environment_id(data)?),
            executable: config.environment.executable.clone(),
            dir: dir.join("docker"),
            home: config.home.clone(),
        };
        Ok::<_, Failure>(DockerRuntime::open(engine, config).await?)
    };
    let why = match choice {
        RuntimeChoice::Process => "Docker is left alone (`--runtime process`)".to_owned(),
        RuntimeChoice::Docker => match connect.await {
            Ok(runtime) => return Ok(Ok(Arc::new(runtime))),
            Err(Failure::Engine(error)) => bail!("{error}\nhint: {}", error.hint()),
            Err(Failure::Environment(error)) => return Err(error),
        },
        RuntimeChoice::Auto => match tokio::time::timeout(ANSWERS_WITHIN, connect).await {
            Ok(Ok(runtime)) => return Ok(Ok(Arc::new(runtime))),
            Ok(Err(Failure::Engine(error))) => format!("{error}; next: {}", error.hint()),
            Ok(Err(Failure::Environment(error))) => return Err(error),
            Err(_) => format!("the Docker engine does not answer within {ANSWERS_WITHIN:?}"),
        },
    };
    Ok(Err(why.into()))
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Environment(#[from] anyhow::Error),
}

/// The environment's id, made at its first start.
pub(crate) fn environment_id(data: &Path) -> Result<String> {
    let id = identity::kept(&data.join("environment"), || Ok(uuid::Uuid::new_v4().to_string().into_bytes()))?;
    Ok(String::from_utf8_lossy(&id).trim().to_owned())
}
