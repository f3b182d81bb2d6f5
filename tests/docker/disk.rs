//! SB-13: the engine's disk is full, and pods that take more of it than they may.

use serde_json::json;

use crate::daemon::Daemon;
use crate::harness::{Spur, until};
use crate::world::{World, image_at, pod, shell};

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

/// Each with the kubelet's words, and what it had taken is free again.
pub(crate) async fn evicted() {
    let world = World::up().await;
    let api = world.spur().api();
    let fills = |path: &str| shell("a", &format!("head -c 20000000 /dev/zero > {path}/all; exec sleep 1000"));
    let mut layer = fills("/tmp");
    layer["resources"] = json!({"limits": {"ephemeral-storage": "4Mi"}});
    let mut mounted = fills("/cache");
    mounted["volumeMounts"] = json!([{"name": "cache", "mountPath": "/cache"}]);
    let mut volume = pod("volume", &[mounted]);
    volume["spec"]["volumes"] = json!([{"name": "cache", "emptyDir": {"sizeLimit": "4Mi"}}]);
    let mut content = shell("a", "head -c 1000000 /dev/zero > /tmp/all; exec sleep 1000");
    content["resources"] = json!({"limits": {"ephemeral-storage": "4Mi"}});
    for pod in [pod("layer", &[layer]), volume, pod("content", &[content])] {
        api.create(&pod).await.ok();
    }
    for (name, message) in [
        ("layer", "Pod ephemeral local storage usage exceeds the total limit of containers 4Mi. "),
        ("volume", "Usage of EmptyDir volume \"cache\" exceeds the limit \"4Mi\". "),
    ] {
        let pod = api.until(("pods", name), "evicted", |pod| pod["status"]["reason"] == "Evicted").await;
        let status = &pod["status"];
        assert_eq!((&status["phase"], &status["message"]), (&json!("Failed"), &json!(message)), "{status:#}");
        let events = api.events_of(name).await;
        assert!(events.iter().any(|it| *it == ("Evicted".to_owned(), message.to_owned())), "{events:?}");
    }
    until("their containers are gone", async || {
        let left = world.containers("{{.Label \"spur.dev/pod-name\"}}");
        if left.iter().any(|name| name == "layer" || name == "volume") {
            Err(left.join(", "))
        } else {
            Ok(())
        }
    })
    .await;
    assert_eq!(api.get("pods", "content").await["status"]["phase"], "Running");
}
