//! The images of a pod's containers: fetched by tasks of their own, since a registry may take minutes
//! and the pod may be deleted meanwhile.
//!
//! Source of words and order: `pkg/kubelet/images/image_manager.go`, `EnsureImageExists`.

use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::Value;
use spur_runtime::{Fetched, ImageAsk, ImageError, ImageNews, RegistryCredential, RuntimeKind, reason};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::container::{Due, State};
use super::Worker;
use super::start::pull;
use crate::events::EventType;

/// The reason of a container whose image could not be had, and is tried again later.
const BACK_OFF: &str = "ImagePullBackOff";
/// The first pause after a failure, and the longest (`backOffPeriod`, `MaxContainerBackOff`).
const PAUSE_FIRST: Duration = Duration::from_secs(10);
const PAUSE_LONGEST: Duration = Duration::from_secs(300);
/// How long the failure itself is shown before the back-off, as one round of the kubelet.
const SHOWN: Duration = Duration::from_secs(2);
/// Whoever asks for an image that is never fetched has to bring it.
const RETRY: Duration = Duration::from_secs(5);
/// News of one fetch that wait.
const NEWS_MAX: usize = 16;

/// How far a container's image is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::pod) enum Image {
    /// Nobody has looked.
    #[default]
    Unknown,
    /// A task fetches it.
    Fetching,
    /// It failed, and is fetched again then.
    Failed { until: Instant, pause: Duration, why: String },
    /// It is there for the next start.
    There,
}

/// What a fetch tells its worker.
#[derive(Debug)]
pub(super) enum Told {
    News(usize, ImageNews),
    Done(usize, Result<Fetched, ImageError>),
}

// === impl Worker ===

impl Worker {
    /// Whether the container's image is there; where it is not, it is seen to.
    pub(super) async fn has_image(&mut self, idx: usize) -> bool {
        if self.kind == RuntimeKind::Process {
            return true;
        }
        let Some(spec) = self.spec(idx) else { return false };
        let image = spec.image.clone().unwrap_or_default();
        match self.containers[idx].image.clone() {
            Image::There => return true,
            Image::Fetching => {
                self.containers[idx].hold();
                return false;
            }
            Image::Failed { until, why, .. } if until > Instant::now() => {
                let message = format!("Back-off pulling image \"{image}\": ErrImagePull: {why}");
                self.waits(idx, BACK_OFF, message, Due::At(until));
                self.tell(
                    &spec.name,
                    EventType::Normal,
                    "BackOff",
                    format!("Back-off pulling image \"{image}\""),
                );
                return false;
            }
            Image::Failed { .. } | Image::Unknown => {}
        }
        let ask = ImageAsk { image, policy: pull(&spec), credentials: self.credentials().await };
        let (runtime, told_tx) = (self.runtime.clone(), self.images_tx.clone());
        let pause = match &self.containers[idx].image {
            Image::Failed { pause, .. } => *pause,
            Image::Unknown | Image::Fetching | Image::There => Duration::ZERO,
        };
        self.containers[idx].image_pause = pause;
        self.containers[idx].image = Image::Fetching;
        self.fetches.spawn(async move {
            let (news_tx, mut news_rx) = mpsc::channel(NEWS_MAX);
            let mut fetch = std::pin::pin!(runtime.fetch(&ask, &news_tx));
            let done = loop {
                tokio::select! {
                    done = &mut fetch => break done,
                    Some(news) = news_rx.recv() => drop(told_tx.send(Told::News(idx, news)).await),
                }
            };
            drop(told_tx.send(Told::Done(idx, done)).await);
        });
        self.containers[idx].hold();
        false
    }

    /// What a fetch has told.
    pub(super) fn image_told(&mut self, told: Told) {
        match told {
            Told::News(idx, ImageNews::Pulling) => {
                let (name, image) = self.named(idx);
                self.tell(&name, EventType::Normal, "Pulling", format!("Pulling image \"{image}\""));
            }
            Told::News(idx, ImageNews::Progress { n_bytes, of_bytes }) => {
                let (_, image) = self.named(idx);
                let message =
                    format!("pulling image \"{image}\": {} of {}", megabytes(n_bytes), megabytes(of_bytes));
                self.waits(idx, reason::CONTAINER_CREATING, message, Due::Never);
            }
            Told::Done(idx, Ok(fetched)) => self.image_is_there(idx, &fetched),
            Told::Done(idx, Err(error)) => self.image_failed(idx, &error),
        }
    }

    fn image_is_there(&mut self, idx: usize, fetched: &Fetched) {
        let (name, image) = self.named(idx);
        let (type_, what, message) = match fetched {
            Fetched::Needless => (EventType::Normal, "Pulled", String::new()),
            Fetched::Present => (
                EventType::Normal,
                "Pulled",
                format!("Container image \"{image}\" already present on machine"),
            ),
            Fetched::Pulled { took, size_bytes } => (
                EventType::Normal,
                "Pulled",
                format!(
                    "Successfully pulled image \"{image}\" in {took:.3?}. Image size: {size_bytes} bytes."
                ),
            ),
            Fetched::Kept { found } => (
                EventType::Warning,
                "Failed",
                format!(
                    "image \"{image}\" could not be pulled, so the engine's own of that name is used: {found}"
                ),
            ),
        };
        if !message.is_empty() {
            self.tell(&name, type_, what, message);
        }
        self.containers[idx].image = Image::There;
        self.waits(idx, reason::CONTAINER_CREATING, String::new(), Due::Now);
    }

    fn image_failed(&mut self, idx: usize, error: &ImageError) {
        let (name, image) = self.named(idx);
        let why = error.to_string();
        let now = Instant::now();
        match error {
            ImageError::Pull { .. } => {
                let pause = (self.containers[idx].image_pause * 2).clamp(PAUSE_FIRST, PAUSE_LONGEST);
                let failed = format!("Failed to pull image \"{image}\": {why}");
                self.tell(&name, EventType::Warning, "Failed", failed);
                self.tell(&name, EventType::Warning, "Failed", format!("Error: {}", error.reason()));
                self.containers[idx].image = Image::Failed { until: now + pause, pause, why: why.clone() };
                self.waits(idx, error.reason(), why, Due::At(now + SHOWN));
            }
            ImageError::NeverPull { .. } | ImageError::InvalidName { .. } => {
                self.tell(&name, EventType::Warning, error.reason(), why.clone());
                self.containers[idx].image = Image::Unknown;
                self.waits(idx, error.reason(), why, Due::At(now + RETRY));
            }
        }
    }

    /// What the pod's `imagePullSecrets` hold; one that is not there is as if it were not named.
    async fn credentials(&self) -> Vec<RegistryCredential> {
        let secrets: Api<Secret> = Api::namespaced(self.shared.ctx.client.clone(), &self.id.namespace);
        let names = self.pod.spec.iter().flat_map(|spec| spec.image_pull_secrets.iter().flatten());
        let mut credentials = Vec::new();
        for named in names {
            if let Ok(Some(secret)) = secrets.get_opt(&named.name).await {
                credentials.extend(of_secret(&secret));
            }
        }
        credentials
    }

    fn named(&self, idx: usize) -> (String, String) {
        let image = self.spec(idx).and_then(|spec| spec.image).unwrap_or_default();
        (self.containers[idx].name.clone(), image)
    }

    /// Only a container that waits waits for another reason.
    fn waits(&mut self, idx: usize, why: &str, message: String, due: Due) {
        if let State::Waiting { .. } = self.containers[idx].state {
            self.containers[idx].wait(why, message, due);
        }
    }
}

/// A Secret of type `kubernetes.io/dockerconfigjson`, or of the older form.
fn of_secret(secret: &Secret) -> Vec<RegistryCredential> {
    let bytes = |key: &str| secret.data.as_ref()?.get(key).map(|bytes| bytes.0.clone());
    let config: Option<Value> = match (bytes(".dockerconfigjson"), bytes(".dockercfg")) {
        (Some(config), _) => {
            serde_json::from_slice::<Value>(&config).ok().and_then(|config| config.get("auths").cloned())
        }
        (None, Some(auths)) => serde_json::from_slice(&auths).ok(),
        (None, None) => None,
    };
    let Some(Value::Object(auths)) = config else { return Vec::new() };
    auths.iter().filter_map(|(registry, entry)| credential(registry, entry)).collect()
}

fn credential(registry: &str, entry: &Value) -> Option<RegistryCredential> {
    use base64::Engine;
    let text = |field: &str| entry.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    let (username, password) = match (text("username"), text("password"), text("auth")) {
        (Some(username), Some(password), _) => (username.to_owned(), password.to_owned()),
        (_, _, Some(auth)) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(auth).ok()?;
            let decoded = String::from_utf8(decoded).ok()?;
            let (username, password) = decoded.split_once(':')?;
            (username.to_owned(), password.to_owned())
        }
        _ => return None,
    };
    Some(RegistryCredential { registry: registry.to_owned(), username, password })
}

fn megabytes(n_bytes: u64) -> String {
    format!("{}.{} MB", n_bytes / 1_000_000, n_bytes / 100_000 % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn secrets_of_both_forms_are_read() {
        let check = |data: Value| {
            let secret: Secret = serde_json::from_value(json!({"data": data})).unwrap();
            let found = of_secret(&secret).into_iter();
            found.map(|one| format!("{}={}:{}", one.registry, one.username, one.password)).collect::<Vec<_>>()
        };
        let base64 = |value: Value| {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(value.to_string())
        };
        let auths =
            json!({"ghcr.io": {"auth": "YTpi"}, "b.io": {"username": "u", "password": "p"}, "c.io": {}});
        let wanted = ["ghcr.io=a:b", "b.io=u:p"].map(str::to_owned);
        assert_eq!(check(json!({".dockerconfigjson": base64(json!({"auths": auths}))})), wanted);
        assert_eq!(check(json!({".dockercfg": base64(auths)})), wanted);
        assert_eq!(check(json!({".dockercfg": "AAAA"})), Vec::<String>::new());
        assert_eq!(check(json!({})), Vec::<String>::new());
    }

    #[test]
    fn sizes_are_megabytes() {
        assert_eq!((megabytes(0), megabytes(12_345_678)), ("0.0 MB".to_owned(), "12.3 MB".to_owned()));
    }
}
