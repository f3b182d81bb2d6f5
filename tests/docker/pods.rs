//! Pods on Docker: what they are given and what they are refused.

use serde_json::{Value, json};

use crate::harness::api::is_over;
use crate::harness::until;
use crate::world::{BUSYBOX_IMAGE, World, pod, shell};

fn waits(pod: &Value, reason: &str) -> bool {
    pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
}

pub(crate) async fn volumes() {
    let world = World::up().await;
    let api = world.spur().api();
    api.create_all(&[
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cfg"}, "data": {"level": "debug"}}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "sec"}, "stringData": {"pw": "sesame"}}),
    ])
    .await;
    let account = "/var/run/secrets/kubernetes.io/serviceaccount";
    let mut writer = shell(
        "writer",
        &format!(
            "cat /sec/pw; echo; cat {account}/namespace; echo; echo $KUBERNETES_SERVICE_HOST $IP; id; echo hello > /shared/word; while true; do cat /cfg/level; echo; sleep 0.2; done"
        ),
    );
    writer["volumeMounts"] = json!([
        {"name": "cfg", "mountPath": "/cfg"}, {"name": "sec", "mountPath": "/sec", "readOnly": true},
        {"name": "shared", "mountPath": "/shared"}, {"name": "kept", "mountPath": "/kept"},
    ]);
    writer["env"] = json!([{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]);
    writer["securityContext"] = json!({"runAsUser": 1234});
    let mut reader = shell("reader", "while ! cat /in/word; do sleep 0.1; done; sleep 1000");
    reader["volumeMounts"] = json!([{"name": "shared", "mountPath": "/in"}]);
    let mut both = pod("both", &[writer, reader]);
    both["spec"]["volumes"] = json!([
        {"name": "cfg", "configMap": {"name": "cfg"}}, {"name": "sec", "secret": {"secretName": "sec", "defaultMode": 0o440}},
        {"name": "shared", "emptyDir": {}}, {"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}},
    ]);
    both["spec"]["securityContext"] = json!({"fsGroup": 2000});
    api.create(&both).await.ok();
    let ready = api.until_condition(("pods", "both"), "Ready").await;
    let log = async |container: &str| api.logs("both", &format!("container={container}")).await.text();
    let logged = async |container: &str, wanted: String| {
        until(&format!("{container} says {wanted:?}"), async || {
            let log = log(container).await;
            if log.contains(&wanted) { Ok(()) } else { Err(log) }
        })
        .await;
    };
    logged("writer", "sesame\ndefault\nkubernetes.default.svc ".to_owned()).await;
    logged("writer", ready["status"]["podIP"].as_str().unwrap().to_owned()).await;
    logged("writer", "uid=1234 gid=0 groups=0,2000".to_owned()).await;
    logged("reader", "hello".to_owned()).await;
    // What is mounted follows its source while the container runs.
    api.patch("configmaps", "cfg", &json!({"data": {"level": "info"}})).await.ok();
    logged("writer", "info".to_owned()).await;
    // A claim is one of the engine's volumes and stays.
    api.delete("pods", "both").await.ok();
    api.until_gone("pods", "both").await;
    let filter = format!("label=spur.dev/environment={}", world.id());
    let volumes = crate::world::docker(&["volume", "ls", "-q", "--filter", &filter]);
    assert!(volumes.starts_with("spur_default_kept_"), "{volumes}");
}

/// A claim belongs to the pod's group, so that a user who is not root keeps its data there; the one before
/// is found again.
pub(crate) async fn claims_of_a_group() {
    let world = World::up().await;
    let api = world.spur().api();
    for (name, wanted) in [("first", "0:3000\n"), ("second", "0:3000\nfirst\n1001:3000\n")] {
        let owner = |path: &str| {
            format!("ls -nd {path} | while read mode n user group rest; do echo $user:$group; done")
        };
        let script = format!(
            "{}; [ ! -e /data/by ] || {{ cat /data/by; {}; }}; echo {name} > /data/by",
            owner("/data"),
            owner("/data/by"),
        );
        let mut main = shell("main", &script);
        main["volumeMounts"] = json!([{"name": "kept", "mountPath": "/data"}]);
        main["securityContext"] = json!({"readOnlyRootFilesystem": true});
        let mut pod = pod(name, &[main]);
        pod["spec"]["volumes"] = json!([{"name": "kept", "persistentVolumeClaim": {"claimName": "kept"}}]);
        pod["spec"]["securityContext"] = json!({"runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 3000});
        api.create(&pod).await.ok();
        api.until(("pods", name), "over", is_over).await;
        assert_eq!(api.logs(name, "").await.ok().text(), wanted, "{name}");
    }
    let left = world.containers("{{.Names}}");
    assert!(left.iter().all(|name| name.starts_with("spur_")), "{left:?}");
}

/// What a container does when it begins and ends, and the last it says.
pub(crate) async fn hooks() {
    let world = World::up().await;
    let api = world.spur().api();
    let exec = |script: &str| json!({"exec": {"command": ["sh", "-c", script]}});
    let mut main = shell(
        "main",
        "trap 'echo stopped after $(cat /shared/begun) and $(cat /shared/ended) > /dev/termination-log; exit 3' TERM; \
         while true; do sleep 0.1; done",
    );
    main["lifecycle"] = json!({"postStart": exec("echo postStart > /shared/begun"), "preStop": exec("echo preStop > /shared/ended")});
    main["volumeMounts"] = json!([{"name": "shared", "mountPath": "/shared"}]);
    let mut hooked = pod("hooked", &[main]);
    hooked["spec"]["volumes"] = json!([{"name": "shared", "emptyDir": {}}]);
    hooked["spec"]["terminationGracePeriodSeconds"] = json!(20);
    hooked["metadata"]["finalizers"] = json!(["spur.dev/test"]);
    let mut talks = pod("talks", &[shell("main", "echo the last line; exit 4")]);
    talks["spec"]["containers"][0]["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
    api.create_all(&[hooked, talks]).await;
    let message = |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["terminated"].clone();
    let talked = api.until(("pods", "talks"), "over", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(
        (&message(&talked)["exitCode"], &message(&talked)["message"]),
        (&json!(4), &json!("the last line\n"))
    );
    api.until_condition(("pods", "hooked"), "Ready").await;
    api.delete("pods", "hooked").await.ok();
    let ended = api.until(("pods", "hooked"), "over", |pod| message(pod).is_object()).await;
    assert_eq!(message(&ended)["exitCode"], 3, "{:#}", ended["status"]);
    assert_eq!(message(&ended)["message"], "stopped after postStart and preStop\n");
    api.patch("pods", "hooked", &json!({"metadata": {"finalizers": null}})).await.ok();
    api.until_gone("pods", "hooked").await;
}

pub(crate) async fn several() {
    let world = World::up().await;
    let api = world.spur().api();
    let mut both = pod(
        "both",
        &[
            shell("server", "echo hi | nc -l -p 9000; sleep 1000"),
            shell("client", "while ! nc 127.0.0.1 9000 < /dev/null; do sleep 0.1; done; sleep 1000"),
        ],
    );
    both["spec"]["initContainers"] = json!([shell("first", "echo first")]);
    api.create(&both).await.ok();
    api.until_condition(("pods", "both"), "Ready").await;
    assert_eq!(api.logs("both", "container=first").await.ok().text(), "first\n");
    until("the client has heard the server", async || {
        let heard = api.logs("both", "container=client").await.text();
        if heard.contains("hi") { Ok(()) } else { Err(heard) }
    })
    .await;
    let pod = api.get("pods", "both").await;
    assert_eq!(pod["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"], 0);
    api.delete("pods", "both").await.ok();
    api.until_gone("pods", "both").await;
    let left = world.containers("{{.Names}}");
    assert!(left.iter().all(|name| name.contains("spur_holder_")), "{left:?}");
}

pub(crate) async fn images() {
    let world = World::up().await;
    let api = world.spur().api();
    // Nobody listens there.
    let absent = json!({"name": "a", "image": "127.0.0.1:1/none/such:1"});
    let never = json!({"name": "a", "image": "spur-test/none-such:1", "imagePullPolicy": "Never"});
    let wrong = json!({"name": "a", "image": "Not A Name"});
    // Always is what the tag `latest` means, and what was built here was never pushed.
    let always = json!({"name": "a", "image": *BUSYBOX_IMAGE, "imagePullPolicy": "Always", "command": ["sleep", "1000"]});
    api.create_all(&[
        pod("absent", &[absent]),
        pod("never", &[never]),
        pod("wrong", &[wrong]),
        pod("always", &[always]),
    ])
    .await;
    let waiting = api.until(("pods", "absent"), "backing off", |pod| waits(pod, "ImagePullBackOff")).await;
    let message = waiting["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Back-off pulling image \"127.0.0.1:1/none/such:1\": ErrImagePull: "),
        "{message}"
    );
    assert!(message.contains("connection refused"), "{message}");
    api.until(("pods", "never"), "refused", |pod| waits(pod, "ErrImageNeverPull")).await;
    api.until(("pods", "wrong"), "refused", |pod| waits(pod, "InvalidImageName")).await;
    api.until_condition(("pods", "always"), "Ready").await;
    // A pod goes, whatever its image does.
    for name in ["absent", "never", "wrong"] {
        api.delete("pods", name).await.ok();
        api.until_gone("pods", name).await;
    }
}

pub(crate) async fn crash_loop() {
    let world = World::up().await;
    let api = world.spur().api();
    let mut failing = pod("failing", &[shell("a", "echo about to fail; exit 7")]);
    failing["spec"]["restartPolicy"] = json!("Always");
    api.create(&failing).await.ok();
    let pod = api.until(("pods", "failing"), "backing off", |pod| waits(pod, "CrashLoopBackOff")).await;
    let status = &pod["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 7);
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.starts_with("back-off 10s restarting failed container=a"), "{message}");
    assert_eq!(api.logs("failing", "previous=true").await.ok().text(), "about to fail\n");
}

pub(crate) async fn security() {
    let world = World::up().await;
    let api = world.spur().api();
    let with = |name: &str, field: &str, value: Value| {
        let mut container = shell("a", "sleep 1000");
        container[field] = value;
        pod(name, &[container])
    };
    let mut socket = pod("socket", &[shell("a", "sleep 1000")]);
    socket["spec"]["volumes"] = json!([{"name": "d", "hostPath": {"path": "/var/run/docker.sock"}}]);
    api.create_all(&[
        with("privileged", "securityContext", json!({"privileged": true})),
        with("admin", "securityContext", json!({"capabilities": {"add": ["SYS_ADMIN"]}})),
        socket,
    ])
    .await;
    for (name, wanted) in [
        ("privileged", "must not set securityContext.privileged=true"),
        ("admin", "non-default capabilities"),
        ("socket", "hostPath volumes"),
    ] {
        let pod = api.until(("pods", name), "refused", |pod| waits(pod, "NotSupported")).await;
        let message = pod["status"]["containerStatuses"][0]["state"]["waiting"]["message"].as_str().unwrap();
        assert!(
            message.contains("violates PodSecurity \"baseline:latest\"") && message.contains(wanted),
            "{message}"
        );
    }
    let labels = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}});
    api.ask(http::Method::PATCH, "/api/v1/namespaces/default")
        .body("application/merge-patch+json", labels.to_string())
        .send()
        .await
        .ok();
    // Not `privileged`, which not every machine of CI lets its own containers give.
    let admin = json!({"capabilities": {"add": ["NET_ADMIN"]}});
    api.create(&with("allowed", "securityContext", admin)).await.ok();
    api.until_condition(("pods", "allowed"), "Ready").await;
}
