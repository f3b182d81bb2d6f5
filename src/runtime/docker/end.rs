//! A container's end, and what is left of a pod.

use std::collections::BTreeSet;
use std::time::Duration;

use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveVolumeOptions, StopContainerOptionsBuilder,
};
use futures::future::join_all;
use tokio::time::timeout;

use super::engine::{is_missing, words};
use super::runtime::Shared;
use crate::container::{ContainerState, PodId};
use crate::interface::{RemoveError, StopError};

/// How long the end of a container may take to be told when the daemon has stopped it: it says so
/// itself, and a look costs milliseconds.
const TOLD_WITHIN: Duration = Duration::from_secs(10);

// === impl Shared ===

impl Shared {
    pub(super) async fn stop(
        &self,
        (pod, container): (&PodId, &str),
        grace: Duration,
    ) -> Result<ContainerState, StopError> {
        // A start that is under way comes first, so that it is stopped, too.
        drop(self.turn(pod).lock().await);
        let not_found = || StopError::NotFound { pod: pod.to_string(), container: container.to_owned() };
        let failed = |error: &Error| StopError::Engine {
            pod: pod.to_string(),
            container: container.to_owned(),
            found: words(error),
        };
        let known = self.ours.world.find(pod, container).ok_or_else(not_found)?;
        match known.state() {
            state @ ContainerState::Terminated { .. } => return Ok(state),
            ContainerState::Running { .. } => {}
            // Made and never started.
            ContainerState::Waiting { .. } => {
                self.delete(&known.id).await.map_err(|error| failed(&error))?;
                return Ok(known.ended().await);
            }
        }
        // Whole seconds are all the daemon knows; none is SIGKILL at once.
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options =
            StopContainerOptionsBuilder::new().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
        let docker = self.ours.engine.patient(Duration::from_secs(seconds));
        match docker.stop_container(&known.id, Some(options)).await {
            Err(error) if is_missing(&error) => return Err(not_found()),
            stopped => stopped.map_err(|error| failed(&error))?,
        }
        // Where this look fails, the daemon's event tells it.
        let _ = self.ours.read(&known.id).await;
        let ended = timeout(TOLD_WITHIN, known.ended()).await;
        ended.map_err(|_| StopError::Unkillable { pod: pod.to_string(), container: container.to_owned() })
    }

    /// Deletes the engine's volume of a claim.
    pub(super) async fn remove_claim(&self, namespace: &str, name: &str) -> Result<(), RemoveError> {
        let volume = self.ours.environment.volume(namespace, name);
        match self.ours.engine.docker().remove_volume(&volume, None::<RemoveVolumeOptions>).await {
            Err(error) if !is_missing(&error) => {
                let source = std::io::Error::other(words(&error));
                Err(RemoveError::Delete { path: format!("volume `{volume}`"), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Deletes all containers of a pod, also those that nobody has learnt of yet.
    pub(super) async fn remove(&self, pod: &PodId) -> Result<(), RemoveError> {
        let turn = self.turn(pod);
        let _turn = turn.lock().await;
        let failed = |error: Error| {
            let source = std::io::Error::other(words(&error));
            RemoveError::Delete { path: format!("the containers of pod `{pod}`"), source }
        };
        let filters = self.ours.environment.filters_of(pod);
        let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
        let listed = self.ours.engine.docker().list_containers(Some(options)).await.map_err(failed)?;
        let ids: BTreeSet<String> = listed.into_iter().filter_map(|container| container.id).collect();
        let deleted = join_all(ids.iter().map(|id| self.delete(id))).await;
        deleted.into_iter().collect::<Result<(), Error>>().map_err(failed)?;
        self.ours.world.forget_pod(pod);
        self.ours.networks.give_up(pod);
        Ok(())
    }
}
