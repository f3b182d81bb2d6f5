//! The logs of pods that are not ready, streamed as long as they are not.

use std::collections::HashMap;

use serde_json::Value;
use spur_api::meta;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::kinds;
use crate::logs;

/// Lines that wait to be printed; a container that prints faster than the
/// terminal waits.
const QUEUE_LINES: usize = 256;

/// The last lines that were printed before we began to listen.
const TAIL_LINES: &str = "20";

/// Follows the logs of containers; each has a task that ends with this.
pub(super) struct LogFollower {
    client: Client,
    /// By pod uid and container.
    tasks: HashMap<(String, String), JoinHandle<()>>,
    /// tasks -- lines of logs --> `next`
    lines_tx: mpsc::Sender<String>,
    lines_rx: mpsc::Receiver<String>,
}

// === impl LogFollower ===

impl LogFollower {
    pub(super) fn new(client: Client) -> Self {
        let (lines_tx, lines_rx) = mpsc::channel(QUEUE_LINES);
        Self { client, tasks: HashMap::new(), lines_tx, lines_rx }
    }

    /// The next line. May be dropped while it waits without losing anything.
    pub(super) async fn next(&mut self) -> String {
        // We hold a sender ourselves, so there is always one.
        self.lines_rx.recv().await.expect("the follower holds a sender")
    }

    /// Follows these pods, and no others any longer.
    pub(super) fn follow_only(&mut self, pods: Vec<&Value>) {
        let mut wanted = HashMap::new();
        for pod in pods {
            for container in meta::list(pod, "/spec/containers") {
                let container = meta::text(container, "/name").to_owned();
                wanted.insert((meta::uid(pod).to_owned(), container), pod);
            }
        }
        self.tasks.retain(|id, task| {
            let is_kept = wanted.contains_key(id) && !task.is_finished();
            if !is_kept {
                task.abort();
            }
            is_kept
        });
        for (id, pod) in wanted {
            if self.tasks.contains_key(&id) || !has_started(pod, &id.1) {
                continue;
            }
            let lines_tx = self.lines_tx.clone();
            let client = self.client.clone();
            let (namespace, name) = (meta::namespace(pod).to_owned(), meta::name(pod).to_owned());
            let task = tokio::spawn(follow(client, namespace, name, id.1.clone(), lines_tx));
            self.tasks.insert(id, task);
        }
    }
}

impl Drop for LogFollower {
    fn drop(&mut self) {
        for task in self.tasks.values() {
            task.abort();
        }
    }
}

fn has_started(pod: &Value, container: &str) -> bool {
    let statuses = meta::list(pod, "/status/containerStatuses");
    statuses
        .iter()
        .any(|status| meta::text(status, "/name") == container && status.pointer("/state/running").is_some())
}

/// Ends when the container does; logs that cannot be read are no reason to stop waiting.
async fn follow(
    client: Client,
    namespace: String,
    pod: String,
    container: String,
    lines_tx: mpsc::Sender<String>,
) {
    let query = kinds::query(&[
        ("container", Some(&container)),
        ("follow", Some("true")),
        ("tailLines", Some(TAIL_LINES)),
    ]);
    let path = kinds::object_path(logs::pod_kind(), &namespace, &pod) + "/log" + &query;
    let Ok(mut lines) = client.lines(&path, "*/*").await else {
        return;
    };
    while let Ok(Some(line)) = lines.next().await {
        let line = format!("    {pod} | {}", spur_trace::sanitize::log_line_for_terminal(&line));
        if lines_tx.send(line).await.is_err() {
            return;
        }
    }
}
