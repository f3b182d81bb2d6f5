//! Why a container has ended, in its own words: from the file at `terminationMessagePath`, or the end
//! of its log.
//!
//! Source: `pkg/kubelet/kuberuntime/kuberuntime_container.go`, `getTerminationMessage` and
//! `toKubeContainerStatus`; the bounds are those of `pkg/kubelet/container/runtime.go`.

use std::sync::Arc;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Container, ContainerStateTerminated, Pod};
use spur_runtime::volumes::Volumes;
use spur_runtime::{LogOptions, PodId, Runtime, reason};

/// `MaxContainerTerminationMessageLength`.
const FILE_MAX_BYTES: u64 = 4096;
/// `MaxContainerTerminationMessageLogLength` and `…LogLines`.
const LOG_MAX_BYTES: usize = 2048;
const LOG_MAX_LINES: u64 = 80;
/// `MaxPodTerminationMessageLogLength`: what the messages of one pod's containers share.
const POD_MAX_BYTES: usize = 12 * 1024;

/// The policy with which the log stands in for a message.
const FALLBACK: &str = "FallbackToLogsOnError";

/// Where the words of a pod's containers are.
pub(super) struct LastWords<'a> {
    pub(super) pod: &'a Pod,
    pub(super) id: &'a PodId,
    pub(super) runtime: &'a dyn Runtime,
    /// Where their files are; processes have none.
    pub(super) volumes: Option<&'a Arc<Volumes>>,
}

// === impl LastWords ===

impl LastWords<'_> {
    /// The end of a container with what it has said about it.
    pub(super) async fn added_to(
        &self,
        ended: ContainerStateTerminated,
        container: &Container,
    ) -> ContainerStateTerminated {
        // What never ran, or is not there any more, has said nothing.
        if let Some(reason::START_ERROR | reason::CONTAINER_STATUS_UNKNOWN) = ended.reason.as_deref() {
            return ended;
        }
        let mut words = self.of_file(container).await;
        let falls_back = container.termination_message_policy.as_deref() == Some(FALLBACK);
        if words.is_empty() && falls_back && ended.exit_code != 0 {
            words = self.of_log(container).await;
        }
        let spec = self.pod.spec.as_ref();
        let n_containers =
            spec.map_or(1, |spec| spec.containers.len() + spec.init_containers.as_ref().map_or(0, Vec::len));
        ContainerStateTerminated {
            message: joined(ended.message, &words, POD_MAX_BYTES / n_containers.max(1)),
            ..ended
        }
    }

    async fn of_file(&self, container: &Container) -> String {
        let Some(volumes) = self.volumes.cloned() else { return String::new() };
        let (uid, name) = (self.id.uid.clone(), container.name.clone());
        let read = tokio::task::spawn_blocking(move || volumes.last_words(&uid, &name, FILE_MAX_BYTES)).await;
        match read {
            Ok(Ok(bytes)) => String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned(),
            Ok(Err(error)) => format!("Error on reading termination log: {error}"),
            Err(_) => String::new(),
        }
    }

    async fn of_log(&self, container: &Container) -> String {
        let options = LogOptions { tail_lines: Some(LOG_MAX_LINES), ..LogOptions::default() };
        let failed = |error: &dyn std::fmt::Display| {
            format!("Error on reading termination message from logs: {error}")
        };
        let pieces = match self.runtime.logs(self.id, &container.name, options).await {
            Ok(pieces) => pieces,
            Err(error) => return failed(&error),
        };
        let end = pieces.try_fold(Vec::new(), async |mut end, piece| {
            end.extend_from_slice(&piece);
            // Lines may be long; no more is kept than may be needed.
            end.drain(..end.len().saturating_sub(LOG_MAX_BYTES));
            Ok(end)
        });
        match end.await {
            Ok(end) => String::from_utf8_lossy(&end).into_owned(),
            Err(error) => failed(&error),
        }
    }
}

/// The runtime's message, then the container's, and no more than its share.
fn joined(of_runtime: Option<String>, words: &str, max_bytes: usize) -> Option<String> {
    let of_runtime = of_runtime.unwrap_or_default();
    let colon = if of_runtime.is_empty() || words.is_empty() { "" } else { ": " };
    let mut message = of_runtime + colon + words;
    message.truncate(message.floor_char_boundary(max_bytes));
    Some(message).filter(|message| !message.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use spur_runtime::{ContainerPlan, FakeRuntime};

    use super::*;

    #[test]
    fn messages_are_joined_and_bounded() {
        let check = |of_runtime: Option<&str>, words: &str, max_bytes, wanted: Option<&str>| {
            assert_eq!(joined(of_runtime.map(str::to_owned), words, max_bytes).as_deref(), wanted);
        };
        check(None, "", 9, None);
        check(None, "no disk", 9, Some("no disk"));
        check(Some("oom"), "", 9, Some("oom"));
        check(Some("oom"), "no disk", 99, Some("oom: no disk"));
        check(None, "äöü", 3, Some("ä"));
    }

    struct World {
        volumes: Arc<Volumes>,
        fake: FakeRuntime,
        id: PodId,
        _dir: tempfile::TempDir,
    }

    impl World {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let volumes = Arc::new(Volumes::open(&dir.path().join("volumes"), None).unwrap());
            let (fake, id) = (FakeRuntime::new(), PodId::new("shop", "web", "u-1"));
            fake.start(&id, ContainerPlan::new("a", &["x"])).await.unwrap();
            Self { volumes, fake, id, _dir: dir }
        }

        /// The message of a container with this policy that has ended like this.
        async fn message(&self, policy: &str, exit_code: i32) -> String {
            let container = json!({"name": "a", "terminationMessagePolicy": policy});
            let pod: Value = json!({"spec": {"containers": [container]}});
            let pod: Pod = serde_json::from_value(pod).unwrap();
            let Self { volumes, fake, id, .. } = self;
            let words = LastWords { pod: &pod, id, runtime: fake, volumes: Some(volumes) };
            let ended = ContainerStateTerminated { exit_code, ..ContainerStateTerminated::default() };
            let ended = words.added_to(ended, &pod.spec.as_ref().unwrap().containers[0]).await;
            ended.message.unwrap_or_default()
        }
    }

    #[tokio::test]
    async fn the_log_stands_in_where_a_container_fails_without_a_word() {
        let world = World::new().await;
        for n in 0..100 {
            world.fake.print(&world.id, "a", &n.to_string());
        }
        assert_eq!(world.message("File", 1).await, "");
        assert_eq!(world.message(FALLBACK, 0).await, "");
        let lines: String = (20..100).map(|n| format!("{n}\n")).collect();
        assert_eq!(world.message(FALLBACK, 1).await, lines);
        world.fake.print(&world.id, "a", &"x".repeat(3000));
        assert_eq!(world.message(FALLBACK, 1).await, "x".repeat(2047) + "\n");
        let path = world.volumes.new_last_words("u-1", "a").unwrap();
        assert_eq!(world.message(FALLBACK, 1).await, "x".repeat(2047) + "\n", "the file is empty");
        std::fs::write(path, "no disk").unwrap();
        assert_eq!(world.message(FALLBACK, 1).await, "no disk");
        assert_eq!(world.message("File", 0).await, "no disk");
    }
}
