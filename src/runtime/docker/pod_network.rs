//! The container that has the network of a pod of several, which all others join: what others call
//! the pause container. It does nothing, and lives until the pod is removed. Where somebody ends it the
//! others have no network any more: its end is told like theirs, and what follows is the caller's.

use std::path::Path;

use bollard::models::{ContainerCreateBody, HostConfig};
use bollard::query_parameters::{CreateContainerOptionsBuilder, StartContainerOptions};

use super::create;
use super::engine::{is_missing, status, words};
use super::network::Place;
use super::owned::Owned;
use super::runtime::Shared;
use super::start::{Joined, refused};
use crate::container::{ContainerPlan, ContainerState, PodId, StdioPlan};
use crate::start_error::StartError;

/// Its name among the pod's containers, as Docker's own kubelet had it; no user's container is called
/// so, since names of containers are in lower case (RFC 1123).
pub(super) const POD: &str = "POD";

// === impl Shared ===

impl Shared {
    /// The id of the container that has the pod's network; it is started where it does not run. Whoever
    /// calls has the pod's turn.
    pub(super) async fn pod_network(
        &self,
        pod: &PodId,
        plan: &ContainerPlan,
        place: &Place,
    ) -> Result<String, StartError> {
        let before = self.ours.world.find(pod, POD);
        let attempt = match before {
            Some(known) if known.state().is_running() => return Ok(known.id.to_string()),
            Some(known) => {
                // One that has ended keeps the address until it is away.
                self.delete(&known.id).await.map_err(|error| refused(words(&error), plan))?;
                known.attempt + 1
            }
            None => 0,
        };
        let owned = Owned { pod: pod.clone(), container: POD.to_owned(), attempt };
        let image = self.ours.image.name(&self.ours.engine).await.map_err(|why| refused(why, plan))?;
        let hosts = plan.clone();
        let of_pod = ContainerPlan {
            hostname: hosts.hostname,
            mounts: hosts.mounts.into_iter().filter(|mount| mount.path == Path::new(create::HOSTS)).collect(),
            ..ContainerPlan::new(POD, &["/spur", "__pause"])
        };
        let body =
            create::body(&self.ours.environment, &owned, (&of_pod, &image, &Joined::Own(place.clone())));
        let body = hardened(body);
        let name = self.ours.environment.name(&owned);
        let docker = self.ours.engine.docker();
        let make = async || {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            docker.create_container(Some(options), body.clone()).await
        };
        let made = match make().await {
            Err(error) if status(&error) == Some(409) => {
                self.clear_away(&owned, (&name, plan)).await?;
                make().await
            }
            other => other,
        };
        let made = match made {
            Err(error) if is_missing(&error) => {
                self.ours.image.forget().await;
                return Err(refused(words(&error), plan));
            }
            made => made.map_err(|error| refused(words(&error), plan))?,
        };
        self.ours.world.learn(&owned, (&made.id, StdioPlan::default()), ContainerState::creating());
        let started = docker.start_container(&made.id, None::<StartContainerOptions>).await;
        started.map_err(|error| refused(words(&error), plan))?;
        self.ours.read(&made.id).await.map_err(|error| refused(words(&error), plan))?;
        Ok(made.id)
    }
}

/// It needs no right at all.
pub(super) fn hardened(body: ContainerCreateBody) -> ContainerCreateBody {
    let host_config = HostConfig {
        cap_drop: Some(vec!["ALL".to_owned()]),
        readonly_rootfs: Some(true),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        ..body.host_config.unwrap_or_default()
    };
    ContainerCreateBody { host_config: Some(host_config), ..body }
}
