//! The daemon's news: what its events say, and everything again after it was away.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bollard::errors::Error;
use bollard::models::{ContainerConfig, EventMessage};
use bollard::query_parameters::{
    EventsOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};
use futures::StreamExt;
use tokio_util::sync::CancellationToken;

use super::engine::{Engine, is_missing, words};
use super::image::OwnImage;
use super::inspected::state;
use super::network::{Networks, Place};
use super::owned::Environment;
use super::world::World;
use crate::container::{StdinMode, StdioPlan};

/// How long to wait before the daemon is asked again, to begin with and at most: it is back within
/// a few seconds of a restart, and its absence costs a connection attempt each time.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// Containers looked at at once, when all are: one that the daemon holds up holds up no other.
const LOOKS_AT_ONCE: usize = 8;

/// One environment's containers on one engine.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) engine: Engine,
    pub(super) environment: Environment,
    pub(super) world: Arc<World>,
    pub(super) networks: Arc<Networks>,
    /// Of what Spur itself runs in containers.
    pub(super) image: Arc<OwnImage>,
}

// === impl Followed ===

impl Followed {
    /// Keeps the world as the daemon has it until `stop`, over the daemon's restarts.
    pub(super) async fn follow_until(self, stop: CancellationToken) {
        let _ended = stop.run_until_cancelled(self.follow()).await;
    }

    async fn follow(&self) {
        let mut pause = RETRY_FIRST;
        loop {
            let since = SystemTime::now();
            let why = match self.read_all().await {
                Ok(()) => {
                    pause = RETRY_FIRST;
                    self.read_events(since).await
                }
                Err(error) => words(&error),
            };
            let host = self.engine.host();
            tracing::warn!(docker.host = host, "lost the connection to Docker at `{host}`: {why}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(RETRY_MAX);
        }
    }

    /// Heeds events from `since` on, which the daemon repeats; says why there are no more.
    async fn read_events(&self, since: SystemTime) -> String {
        let mut filters = self.environment.filters();
        filters.insert("type".to_owned(), vec!["container".to_owned()]);
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = format!("{}.{:09}", since.as_secs(), since.subsec_nanos());
        let options = EventsOptionsBuilder::new().filters(&filters).since(&since).build();
        let mut events = std::pin::pin!(self.engine.docker().events(Some(options)));
        loop {
            match events.next().await {
                Some(Ok(event)) => {
                    if let Err(error) = self.read_event(event).await {
                        return words(&error);
                    }
                }
                Some(Err(error)) => return words(&error),
                None => return "it ended the connection".to_owned(),
            }
        }
    }

    async fn read_event(&self, event: EventMessage) -> Result<(), Error> {
        let Some(id) = event.actor.and_then(|actor| actor.id) else { return Ok(()) };
        match event.action.as_deref() {
            Some("destroy") => {
                self.world.forget(&id);
                Ok(())
            }
            Some("create" | "start" | "die" | "oom" | "pause" | "unpause") => self.read(&id).await,
            // Commands in a container and its attached clients change nothing of it.
            _ => Ok(()),
        }
    }

    /// Reads all containers, and forgets those that are not there any more.
    pub(super) async fn read_all(&self) -> Result<(), Error> {
        // What is learnt meanwhile may be younger than the list.
        let known = self.world.ids();
        let filters = self.environment.filters();
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.engine.docker().list_containers(Some(options)).await?;
        let ids: HashSet<String> = listed.into_iter().filter_map(|container| container.id).collect();
        let look = async |id: String| (self.read(&id).await, id);
        let looks = futures::stream::iter(ids.clone()).map(look);
        let mut looks = std::pin::pin!(looks.buffer_unordered(LOOKS_AT_ONCE));
        while let Some((look, id)) = looks.next().await {
            if let Err(error) = look {
                tracing::warn!(container.id = id, "cannot look at container `{id}`: {}", words(&error));
            }
        }
        known.iter().filter(|id| !ids.contains(&***id)).for_each(|id| self.world.forget(id));
        Ok(())
    }

    /// Looks at one container. One that has gone meanwhile is left to its event.
    pub(super) async fn read(&self, id: &str) -> Result<(), Error> {
        let inspected = self.engine.docker().inspect_container(id, None::<InspectContainerOptions>).await;
        let inspected = match inspected {
            Err(error) if is_missing(&error) => return Ok(()),
            other => other?,
        };
        let config = inspected.config.unwrap_or_default();
        let stdio = stdio(&config);
        let labels = config.labels.unwrap_or_default();
        let Some(owned) = self.environment.owned(&labels) else { return Ok(()) };
        if let Some(place) = Place::of(&labels) {
            self.networks.adopt(&owned.pod, place);
        }
        self.world.learn(&owned, (id, stdio), state(&inspected.state.unwrap_or_default()));
        Ok(())
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
