//! The daemon's news: what its events say, and everything again after it was away.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerConfig, EventMessage};
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::engine::{Engine, is_missing, words};
use super::inspected::state;
use super::owned::{Environment, Owned};
use super::world::World;
use crate::container::{StdinMode, StdioPlan};

/// How long to wait before the daemon is asked again, to begin with and at most: it is back within
/// a few seconds of a restart, and its absence costs a connection attempt each time.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(5);

/// Keeps a world like the daemon's containers of one environment.
#[derive(Clone, Debug)]
pub(super) struct Follower {
    pub(super) engine: Engine,
    pub(super) environment: Environment,
    pub(super) world: Arc<World>,
}

// === impl Follower ===

impl Follower {
    /// Follows until `stop`, over the daemon's restarts.
    pub(super) async fn run(self, stop: CancellationToken) {
        let _ended = stop.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&self) {
        let mut pause = RETRY_FIRST;
        loop {
            // Opened before the list is read, so that nothing between them is missed.
            let mut filters = self.environment.filters();
            filters.insert("type".to_owned(), vec!["container".to_owned()]);
            let options = EventsOptionsBuilder::new().filters(&filters).build();
            let mut events = std::pin::pin!(self.engine.docker().events(Some(options)));
            if self.read_all().await.is_ok() {
                pause = RETRY_FIRST;
                while let Some(Ok(event)) = events.next().await {
                    self.read_event(event).await;
                }
                tracing::warn!(docker.host = self.engine.host(), "lost the connection to Docker");
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// Reads all containers, and forgets those that are not there any more.
    pub(super) async fn read_all(&self) -> Result<(), Error> {
        let filters = self.environment.filters();
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.engine.docker().list_containers(Some(options)).await?;
        let ids: Vec<String> = listed.into_iter().filter_map(|container| container.id).collect();
        for id in &ids {
            self.read(id).await?;
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        self.world.retain(&ids);
        Ok(())
    }

    async fn read_event(&self, event: EventMessage) {
        let actor = event.actor.unwrap_or_default();
        let Some(id) = actor.id else { return };
        // Commands in a container and its attached clients change nothing of it.
        let action = event.action.unwrap_or_default();
        if action == "destroy" {
            let attributes: HashMap<String, String> = actor.attributes.unwrap_or_default();
            if let Some(owned) = self.environment.owned(&attributes) {
                self.world.forget(&owned);
            }
        } else if ["create", "start", "die", "oom", "pause", "unpause"].contains(&&*action)
            && let Err(error) = self.read(&id).await
        {
            tracing::warn!(container.id = id, "cannot inspect a container: {}", words(&error));
        }
    }

    /// Reads one container. One that has gone meanwhile is left to its event.
    pub(super) async fn read(&self, id: &str) -> Result<Option<Owned>, Error> {
        let inspected = self.engine.docker().inspect_container(id, None::<InspectContainerOptions>).await;
        let inspected = match inspected {
            Err(error) if is_missing(&error) => return Ok(None),
            other => other?,
        };
        let config = inspected.config.unwrap_or_default();
        let stdio = stdio(&config);
        let Some(owned) = self.environment.owned(&config.labels.unwrap_or_default()) else {
            return Ok(None);
        };
        let state = state(&inspected.state.unwrap_or_default());
        self.world.learn(&owned, (id, stdio), state);
        Ok(Some(owned))
    }
}

/// How a container's streams were set up.
fn stdio(config: &ContainerConfig) -> StdioPlan {
    let stdin = match (config.open_stdin, config.stdin_once) {
        (Some(true), Some(true)) => StdinMode::Once,
        (Some(true), _) => StdinMode::Open,
        _ => StdinMode::Closed,
    };
    StdioPlan { stdin, tty: config.tty == Some(true) }
}
