//! SB-13: the engine's disk is full.

use serde_json::json;

use crate::daemon::Daemon;
use crate::harness::{Spur, until};
use crate::world::{image_at, pod, shell};

/// Room for the images, of which Spur's own is some 300 MB where it is built for tests and is there twice
/// while it is loaded. It is memory, and filled within a second.
const MEGABYTES: u32 = 1024;

pub(crate) async fn full() {
    let daemon = Daemon::start_on_disk(MEGABYTES);
    let host = daemon.host();
    let image = image_at(Some(&host));
    let spur = Spur::up().flags(&["--runtime", "docker"]).env("DOCKER_HOST", &host).start().await;
    let api = spur.api();
    let of = |name: &str, script: &str| {
        let mut container = shell("a", script);
        container["image"] = json!(image);
        pod(name, &[container])
    };
    // It writes until there is no room, and keeps what it has written. Its output has no room either.
    api.create(&of("filler", "cat /dev/zero > /tmp/all; exec sleep 1000")).await.ok();
    until("the disk is full", async || match daemon.free_bytes() {
        0 => Ok(()),
        free => Err(format!("{free} bytes are free")),
    })
    .await;
    // Whoever comes next is told why it does not start, and what to do.
    api.create(&of("next", "exec sleep 1000")).await.ok();
    let waiting = api
        .until(("pods", "next"), "told why", |pod| {
            let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
            waiting["message"].as_str().is_some_and(|why| why.contains("no space left on device"))
        })
        .await;
    assert_eq!(waiting["status"]["phase"], "Pending", "{:#}", waiting["status"]);
    let events = api.events_of("next").await;
    let is_told = |(reason, message): &(String, String)| {
        reason == "Failed"
            && message.contains("no space left on device")
            && message.contains("docker system df")
    };
    assert!(events.iter().any(is_told), "{events:?}");
    // Spur itself goes on, and so does the pod once there is room.
    api.delete("pods", "filler").await.ok();
    api.until_gone("pods", "filler").await;
    api.until_condition(("pods", "next"), "Ready").await;
    spur.end().await;
    drop(daemon);
}
