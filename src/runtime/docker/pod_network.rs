//! The container that has the network of a pod of several, which all others join: what others call
//! the pause container. It does nothing, and lives until the pod is removed. Where somebody ends it the
//! others have no network any more: its end is told like theirs, and what follows is the caller's.

use std::path::Path;

use super::create;
use super::engine::words;
use super::image::SELF_PROGRAM;
use super::network::Place;
use super::owned::Owned;
use super::runtime::Shared;
use super::start::{Joined, refused};
use crate::container::{ContainerPlan, ContainerState, Mount, PodId, Security};
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
        let is_hosts = |mount: &&Mount| mount.path == Path::new(create::HOSTS);
        let of_pod = ContainerPlan {
            hostname: plan.hostname.clone(),
            mounts: plan.mounts.iter().filter(is_hosts).cloned().collect(),
            // It needs no right at all.
            security: Security {
                dropped: vec!["ALL".to_owned()],
                has_read_only_root: true,
                forbids_escalation: true,
                ..Security::default()
            },
            ..ContainerPlan::new(POD, &[SELF_PROGRAM, "__pause"])
        };
        let made = self.create(&owned, (&of_pod, &image, &Joined::Own(place.clone()))).await;
        let id = match made {
            Err(StartError::NoSuchImage { found, .. }) => {
                self.ours.image.forget().await;
                return Err(refused(found, plan));
            }
            made => made?,
        };
        self.ours.world.learn(&owned, (&id, of_pod.stdio), ContainerState::creating());
        self.run(&owned, (&id, &of_pod)).await?;
        Ok(id)
    }
}
