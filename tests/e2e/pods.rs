//! Pods as processes: what they get, how they end, and that none is left.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::api::is_condition;
use crate::harness::manifests::{deployment, sample, script, service};
use crate::harness::{Spur, processes, until};

fn container_status(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

fn terminated(pod: &Value) -> &Value {
    &container_status(pod)["state"]["terminated"]
}

#[tokio::test]
async fn a_process_gets_its_ports_its_services_and_nothing_of_the_developers_shell() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"LEVEL": "debug"}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"t": "sesame"}});
    let mut pod = script("env", "env | sort; pwd");
    let container = &mut pod["spec"]["containers"][0];
    container["ports"] =
        json!([{"name": "http", "containerPort": 8080}, {"name": "admin", "containerPort": 9090}]);
    container["workingDir"] = json!("/");
    container["envFrom"] = json!([{"configMapRef": {"name": "settings"}}]);
    container["env"] = json!([
        {"name": "PLAIN", "value": "port $(PORT)"},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "token", "key": "t"}}},
        {"name": "ME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]);
    api.create_all(&[map, secret, service("my-cart"), pod]).await;
    let pod = api.until(("pods", "env"), "over", |pod| pod["status"]["phase"] == "Succeeded").await;

    let ports = pod["metadata"]["annotations"]["spur.dev/ports"].as_str().unwrap();
    let ports: Value = serde_json::from_str(ports).unwrap();
    let (http, admin) = (&ports["main/8080"], &ports["main/9090"]);
    assert_ne!(http, admin);
    let log = api.logs("env", "").await.ok().text();
    let lines: Vec<&str> = log.lines().collect();
    for line in [
        format!("PORT={http}"),
        format!("PORT_HTTP={http}"),
        format!("PORT_ADMIN={admin}"),
        format!("PLAIN=port {http}"),
        "LEVEL=debug".to_owned(),
        "TOKEN=sesame".to_owned(),
        "ME=env".to_owned(),
        "MY_CART_SERVICE_HOST=127.0.0.1".to_owned(),
        "/".to_owned(),
    ] {
        assert!(lines.contains(&&*line), "`{line}` is not in\n{log}");
    }
    assert!(lines.iter().any(|line| line.starts_with("MY_CART_URL=http://127.0.0.1:")), "{log}");
    assert!(!log.contains("SPUR_E2E_PRIVATE"), "{log}");
    spur.end().await;
}

#[tokio::test]
async fn exit_codes_and_both_outputs_are_kept() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&[
        script("fails", "echo to stdout; echo to stderr >&2; exit 3"),
        script("succeeds", "echo fine"),
        // `$$` is Kubernetes' way to write `$`.
        script("dies", "kill -KILL $$$$"),
    ])
    .await;
    let failed = api.until(("pods", "fails"), "over", |pod| pod["status"]["phase"] == "Failed").await;
    assert_eq!(terminated(&failed)["exitCode"], 3);
    assert_eq!(terminated(&failed)["reason"], "Error");
    let log = api.logs("fails", "").await.ok().text();
    assert!(log.contains("to stdout\n") && log.contains("to stderr\n"), "{log}");
    assert_eq!(api.logs("fails", "tailLines=1").await.ok().text().lines().count(), 1);

    let succeeded =
        api.until(("pods", "succeeds"), "over", |pod| pod["status"]["phase"] == "Succeeded").await;
    assert_eq!(
        (&terminated(&succeeded)["exitCode"], &terminated(&succeeded)["reason"]),
        (&json!(0), &json!("Completed"))
    );
    let died = api.until(("pods", "dies"), "over", |pod| pod["status"]["phase"] == "Failed").await;
    // 128 and the signal, as the kubelet has it.
    assert_eq!(terminated(&died)["exitCode"], 137);
    spur.end().await;
}

#[tokio::test]
async fn a_container_that_exits_at_once_is_restarted_with_back_off() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let mut pod = script("crashes", "echo run; exit 5");
    pod["spec"]["restartPolicy"] = json!("Always");
    api.create_all(&[pod]).await;
    let is_backing_off =
        |pod: &Value| container_status(pod)["state"]["waiting"]["reason"] == "CrashLoopBackOff";
    let pod = api.until(("pods", "crashes"), "backing off", is_backing_off).await;
    let status = container_status(&pod);
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 5);
    assert!(!is_condition(&pod, "Ready", "True"));
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("back-off") && message.contains("crashes"), "{message}");
    let log = api.logs("crashes", "").await.ok().text();
    assert_eq!(log, "run\n");
    until("an event tells of it", async || {
        let events = api.events_of("crashes").await;
        if events.iter().any(|(reason, _)| reason == "BackOff") { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    spur.end().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let mut missing = script("missing", "");
    missing["spec"]["containers"][0]["command"] = json!(["no-such-program-42"]);
    let mut image = script("image", "");
    image["spec"]["containers"][0] = json!({"name": "main", "image": "nginx"});
    api.create_all(&[missing, image]).await;
    let has_failed = |pod: &Value| {
        let state = &container_status(pod)["state"];
        state["waiting"]["message"].is_string() || state["terminated"]["message"].is_string()
    };
    let pod = api.until(("pods", "missing"), "explained", has_failed).await;
    assert!(container_status(&pod)["state"].to_string().contains("no-such-program-42"), "{pod:#}");
    let pod = api.until(("pods", "image"), "explained", has_failed).await;
    let message = container_status(&pod)["state"]["waiting"]["message"].as_str().unwrap();
    assert!(message.contains("Docker") && message.contains("command"), "{message}");
    spur.end().await;
}

#[tokio::test]
async fn readiness_follows_its_probe_both_ways() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let flag = spur.data().home().join("flag");
    let path = flag.display();
    let mut pod = script("probed", "exec sleep 1000");
    pod["spec"]["containers"][0]["readinessProbe"] = json!({
        "exec": {"command": ["test", "-f", path.to_string()]}, "periodSeconds": 1, "failureThreshold": 1,
    });
    api.create_all(&[pod]).await;
    let is_running = |pod: &Value| container_status(pod)["state"]["running"].is_object();
    let pod = api.until(("pods", "probed"), "running", is_running).await;
    assert!(!is_condition(&pod, "Ready", "True"), "nothing says that it is ready");
    std::fs::write(&flag, "").unwrap();
    api.until_condition(("pods", "probed"), "Ready").await;
    std::fs::remove_file(&flag).unwrap();
    api.until(("pods", "probed"), "unready", |pod| is_condition(pod, "Ready", "False")).await;
    spur.end().await;
}

#[tokio::test]
async fn probes_of_every_sort_tell_ready_from_listening() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let mut objects = sample("http", "pricing", &[]);
    let mut tcp = sample("tcp", "pricing", &[]);
    tcp[1]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"tcpSocket": {"port": "http"}});
    tcp[1]["spec"]["template"]["spec"]["containers"][0]["startupProbe"] =
        json!({"httpGet": {"path": "/health", "port": 8080}});
    let mut wrong = sample("wrong", "pricing", &[]);
    wrong[1]["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] =
        json!({"httpGet": {"path": "/nowhere", "port": "http"}, "periodSeconds": 1});
    objects.extend(tcp);
    objects.extend(wrong);
    api.create_all(&objects).await;
    api.until_condition(("deployments", "http"), "Available").await;
    api.until_condition(("deployments", "tcp"), "Available").await;
    // It listens, as the other two do, and its probe's answer is 404.
    until("an event tells of the probe", async || {
        let pods = api.pods_of("app=wrong").await;
        let name = pods[0]["metadata"]["name"].as_str().unwrap_or_default();
        let events = api.events_of(name).await;
        let is_told = events.iter().any(|(reason, text)| reason == "Unhealthy" && text.contains("404"));
        if is_told { Ok(()) } else { Err(format!("{events:?}")) }
    })
    .await;
    let wrong = &api.pods_of("app=wrong").await[0];
    assert!(is_condition(wrong, "Ready", "False"), "{wrong:#}");
    spur.end().await;
}

#[tokio::test]
async fn a_failing_liveness_probe_restarts_the_container() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let flag = spur.data().home().join("alive");
    std::fs::write(&flag, "").unwrap();
    let mut pod = script("lives", "echo started; exec sleep 1000");
    pod["spec"]["restartPolicy"] = json!("Always");
    pod["spec"]["containers"][0]["livenessProbe"] = json!({
        "exec": {"command": ["test", "-f", flag.display().to_string()]}, "periodSeconds": 1, "failureThreshold": 1,
    });
    api.create_all(&[pod]).await;
    api.until_condition(("pods", "lives"), "Ready").await;
    let before = spur.processes();
    std::fs::remove_file(&flag).unwrap();
    api.until(("pods", "lives"), "restarted", |pod| container_status(pod)["restartCount"] == 1).await;
    std::fs::write(&flag, "").unwrap();
    for process in before {
        assert!(!processes::is_alive(process.pid), "{process:?} of the first run");
    }
    assert_eq!(api.logs("lives", "previous=true").await.ok().text(), "started\n");
    spur.end().await;
}

#[tokio::test]
async fn a_process_is_asked_to_end_before_it_is_killed() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let mark = spur.data().home().join("ended-well");
    let polite =
        format!("trap 'echo bye > {}; exit 0' TERM; echo up; while :; do sleep 0.05; done", mark.display());
    let mut deaf = script("deaf", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    deaf["spec"]["terminationGracePeriodSeconds"] = json!(1);
    api.create_all(&[script("polite", &polite), deaf]).await;
    for name in ["polite", "deaf"] {
        until(&format!("{name} runs"), async || match api.logs(name, "").await {
            answer if answer.text() == "up\n" => Ok(()),
            answer => Err(answer.text()),
        })
        .await;
    }
    let since = Instant::now();
    api.delete("pods", "polite").await.ok();
    api.until_gone("pods", "polite").await;
    assert_eq!(std::fs::read_to_string(&mark).unwrap(), "bye\n");
    assert!(
        since.elapsed() < Duration::from_secs(2),
        "its grace period was not waited out: {:?}",
        since.elapsed()
    );

    let since = Instant::now();
    api.delete("pods", "deaf").await.ok();
    let pod = api.get("pods", "deaf").await;
    assert!(pod["metadata"]["deletionTimestamp"].is_string(), "it ends gracefully: {pod:#}");
    api.until_gone("pods", "deaf").await;
    assert!(
        since.elapsed() >= Duration::from_secs(1),
        "killed after {:?}, within its grace period",
        since.elapsed()
    );
    assert_eq!(spur.processes(), []);
    spur.end().await;
}

#[tokio::test]
async fn nothing_is_left_of_a_spur_that_was_killed() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let container =
        json!({"name": "main", "command": ["sh", "-c", "setsid sleep 1001 & sleep 1002 & exec sleep 1003"]});
    api.create_all(&[deployment("forking", container)]).await;
    api.until_condition(("deployments", "forking"), "Available").await;
    let count = async |spur: &Spur| {
        until("three processes run", async || match spur.processes() {
            found if found.len() == 3 => Ok(found),
            found => Err(format!("{found:?}")),
        })
        .await
    };
    let first = count(&spur).await;
    let data = spur.kill().await;
    let spur = Spur::up().on(&data).start().await;
    let api = spur.api();
    api.until_condition(("deployments", "forking"), "Available").await;
    let second = count(&spur).await;
    let pods = api.pods_of("app=forking").await;
    assert_eq!(pods.len(), 1, "{pods:#?}");
    // Adopted, all of them, or reaped, all of them.
    let n_same = second.iter().filter(|process| first.contains(process)).count();
    assert!(n_same == 0 || n_same == 3, "{first:?}, then {second:?}");
    spur.end().await;
}

#[tokio::test]
async fn logs_are_followed_to_the_end() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let gate = spur.data().home().join("gate");
    let text = format!("echo first; while [ ! -e {} ]; do sleep 0.02; done; echo last", gate.display());
    api.create_all(&[script("talks", &text)]).await;
    api.until(("pods", "talks"), "running", |pod| container_status(pod)["state"]["running"].is_object())
        .await;
    let followed = tokio::spawn({
        let api = api.clone();
        async move { api.logs("talks", "follow=true").await.ok().text() }
    });
    std::fs::write(&gate, "").unwrap();
    assert_eq!(followed.await.unwrap(), "first\nlast\n");
    spur.end().await;
}
