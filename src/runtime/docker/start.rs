//! A container's start: made anew each time, and told apart from what is in its way.

use std::time::SystemTime;

use bollard::errors::Error;
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, StartContainerOptions,
};

use super::create;
use super::engine::{is_missing, status, words};
use super::image::SELF_IMAGE;
use super::inspected::never_ran;
use super::network::Place;
use super::owned::Owned;
use super::runtime::Shared;
use super::world::Known;
use crate::container::{ContainerPlan, ContainerState, PodId, Started};
use crate::start_error::StartError;

/// The network that a container is on.
#[derive(Clone, Debug)]
pub(super) enum Joined {
    /// It has the pod's place itself.
    Own(Place),
    /// Another container, of this id, has it for the whole pod.
    Pods { holder: String, place: Place },
}

// === impl Joined ===

impl Joined {
    pub(super) fn place(&self) -> &Place {
        match self {
            Self::Own(place) | Self::Pods { place, .. } => place,
        }
    }

    /// The place, where the container is to have it itself.
    pub(super) fn own(&self) -> Option<&Place> {
        match self {
            Self::Own(place) => Some(place),
            Self::Pods { .. } => None,
        }
    }

    pub(super) fn network_mode(&self) -> String {
        match self {
            Self::Own(place) => place.network.clone(),
            Self::Pods { holder, .. } => format!("container:{holder}"),
        }
    }
}

// === impl Shared ===

impl Shared {
    /// Starts a container, for the first time or again.
    pub(super) async fn start(&self, pod: &PodId, plan: &ContainerPlan) -> Result<Started, StartError> {
        let turn = self.turn(pod);
        let _turn = turn.lock().await;
        let Some(image) = &plan.image else {
            return Err(StartError::NoImage { container: plan.name.clone() });
        };
        let own;
        let image = match image.as_str() {
            SELF_IMAGE => {
                let name = self.ours.image.name(&self.ours.engine).await;
                own = name.map_err(|why| refused(why, plan))?;
                &own
            }
            _ => image,
        };
        if plan.security.must_not_be_root {
            self.check_user(image, plan).await?;
        }
        let before = self.before(pod, plan).await?;
        let attempt = before.map_or(0, |known| known.attempt + 1);
        let owned = Owned { pod: pod.clone(), container: plan.name.clone(), attempt };
        let place = self.ours.networks.place(pod).await;
        let place = place.map_err(|error| refused(error.to_string(), plan))?;
        let joined = match plan.shares_network {
            true => Joined::Pods { holder: self.pod_network(pod, plan, &place).await?, place },
            false => Joined::Own(place),
        };
        let id = self.create(&owned, (plan, image, &joined)).await?;
        self.ours.world.learn(&owned, (&id, plan.stdio), ContainerState::creating());
        self.give_to_group(&id, (&pod.namespace, plan, image)).await?;
        self.run(&owned, (&id, plan)).await?;
        for stale in self.ours.world.stale(pod, &plan.name) {
            if let Err(error) = self.delete(&stale).await {
                tracing::warn!(container.id = &*stale, "cannot delete an old container: {}", words(&error));
            }
        }
        let (pid, started_at) = match self.ours.world.find(pod, &plan.name).map(|known| known.state()) {
            Some(ContainerState::Running { pid, started_at }) => (pid, started_at),
            // It has ended already.
            Some(ContainerState::Terminated { started_at, .. }) => (0, started_at),
            Some(ContainerState::Waiting { .. }) | None => (0, SystemTime::now()),
        };
        Ok(Started { id, pid, started_at, attempt })
    }

    /// Refuses an image whose user is root, in the kubelet's words
    /// (`pkg/kubelet/kuberuntime/security_context.go`, `verifyRunAsNonRoot`).
    async fn check_user(&self, image: &str, plan: &ContainerPlan) -> Result<(), StartError> {
        let user = match &plan.security.user {
            Some(user) => user.clone(),
            None => {
                let found = self.ours.engine.docker().inspect_image(image).await;
                let found = found.map_err(|error| match is_missing(&error) {
                    true => StartError::NoSuchImage { image: image.to_owned(), found: words(&error) },
                    false => failed(&error, plan),
                })?;
                found.config.and_then(|config| config.user).unwrap_or_default()
            }
        };
        let name = user.split(':').next().unwrap_or_default();
        let what = match name.parse::<u32>() {
            Ok(0) => "container's runAsUser breaks non-root policy",
            Ok(_) => return Ok(()),
            Err(_) if name.is_empty() || name == "root" => {
                "container has runAsNonRoot and image will run as root"
            }
            Err(_) => {
                "container has runAsNonRoot and image has non-numeric user, cannot verify user is non-root"
            }
        };
        Err(StartError::NotSupported { container: plan.name.clone(), what })
    }

    /// The start before this one. What was made and never started, since Spur was killed between
    /// the two, was none.
    async fn before(&self, pod: &PodId, plan: &ContainerPlan) -> Result<Option<Known>, StartError> {
        let find = || self.ours.world.find(pod, &plan.name);
        let Some(before) = find() else { return Ok(None) };
        match before.state() {
            ContainerState::Running { .. } => {
                Err(StartError::AlreadyRunning { pod: pod.to_string(), container: plan.name.clone() })
            }
            ContainerState::Terminated { .. } => Ok(Some(before)),
            ContainerState::Waiting { .. } => {
                self.delete(&before.id).await.map_err(|error| failed(&error, plan))?;
                Ok(find())
            }
        }
    }

    pub(super) async fn create(
        &self,
        owned: &Owned,
        (plan, image, joined): (&ContainerPlan, &str, &Joined),
    ) -> Result<String, StartError> {
        let name = self.ours.environment.name(owned);
        let body = create::body(&self.ours.environment, owned, (plan, image, joined));
        let make = async || {
            let options = CreateContainerOptionsBuilder::new().name(&name).build();
            self.ours.engine.docker().create_container(Some(options), body.clone()).await
        };
        let made = match make().await {
            Err(error) if status(&error) == Some(409) => {
                self.clear_away(owned, (&name, plan)).await?;
                make().await
            }
            other => other,
        };
        match made {
            Ok(made) => Ok(made.id),
            Err(error) if is_missing(&error) => {
                Err(StartError::NoSuchImage { image: image.to_owned(), found: words(&error) })
            }
            Err(error) => Err(failed(&error, plan)),
        }
    }

    /// Deletes the container that has this one's name, if it is ours: an interrupted start has left
    /// it before anybody knew its id.
    async fn clear_away(
        &self,
        owned: &Owned,
        (name, plan): (&str, &ContainerPlan),
    ) -> Result<(), StartError> {
        let docker = self.ours.engine.docker();
        let found = docker.inspect_container(name, None::<InspectContainerOptions>).await;
        let found = match found {
            Err(error) if is_missing(&error) => return Ok(()),
            other => other.map_err(|error| failed(&error, plan))?,
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        if self.ours.environment.owned(&labels).as_ref() != Some(owned) {
            let found = format!("its name `{name}` is taken by a container that Spur did not make");
            return Err(refused(found, plan));
        }
        self.delete(&found.id.unwrap_or_default()).await.map_err(|error| failed(&error, plan))
    }

    /// Starts what was made. Only where the daemon says so, it never ran: an answer that is lost
    /// says nothing.
    pub(super) async fn run(
        &self,
        owned: &Owned,
        (id, plan): (&str, &ContainerPlan),
    ) -> Result<(), StartError> {
        let docker = self.ours.engine.docker();
        let started = docker.start_container(id, None::<StartContainerOptions>).await;
        // Where this look fails, the daemon's event tells it.
        let looked = self.ours.read(id).await;
        let Err(error) = started else { return Ok(()) };
        if status(&error).is_some() {
            self.ours.world.learn(owned, (id, plan.stdio), never_ran(&words(&error)));
            return Err(start_error(&error, plan));
        }
        let is_running = || {
            let known = self.ours.world.find(&owned.pod, &owned.container);
            known.is_some_and(|known| known.state().is_running())
        };
        match looked {
            Ok(()) if is_running() => Ok(()),
            Ok(()) | Err(_) => Err(failed(&error, plan)),
        }
    }
}

/// What runc says through the daemon, as processes have it, so that users find the words.
fn start_error(error: &Error, plan: &ContainerPlan) -> StartError {
    let text = words(error);
    if text.contains("executable file not found in $PATH") {
        let program = plan.command.first().or(plan.args.first()).cloned().unwrap_or_default();
        return StartError::NotInImage { program };
    }
    refused(text, plan)
}

fn failed(error: &Error, plan: &ContainerPlan) -> StartError {
    refused(words(error), plan)
}

pub(super) fn refused(found: String, plan: &ContainerPlan) -> StartError {
    let container = plan.name.clone();
    // The daemon gives no other sign than the system's words (`ENOSPC` of Go's `syscall`).
    match found.contains("no space left on device") {
        true => StartError::NoSpace { container, found },
        false => StartError::Engine { container, found },
    }
}
