//! Pods of processes with networks of their own (`spur.dev/network: private`).

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::api::{is_condition, is_over};
use crate::harness::manifests::{sample, script};
use crate::harness::{Api, Data, Site, Spur, command, until};

/// The same with an annotation on its pods.
fn private(mut object: Value) -> Value {
    let annotation = json!({"spur.dev/network": "private"});
    match object["kind"].as_str() {
        Some("Deployment") => object["spec"]["template"]["metadata"]["annotations"] = annotation,
        Some("Pod") => object["metadata"]["annotations"] = annotation,
        _ => {}
    }
    object
}

/// The demo's shop; an order is checkout's, pricing's and inventory's work.
fn shop() -> Vec<Value> {
    let names = ["checkout", "frontend", "inventory", "pricing", "recommendation"];
    let mut all: Vec<Value> = names.iter().flat_map(|name| sample(name, name, &[])).map(private).collect();
    let mut services = all.iter_mut().filter(|object| object["kind"] == "Service");
    let recommendation = services.find(|service| service["metadata"]["name"] == "recommendation");
    // What it is asked is gRPC.
    recommendation.unwrap()["spec"]["ports"][0]["name"] = json!("grpc");
    all
}

async fn until_shop_is_up(api: &Api) {
    for name in ["checkout", "frontend", "inventory", "pricing", "recommendation"] {
        api.until_condition(("deployments", name), "Available").await;
    }
}

/// A pod that is ready is an endpoint a moment later.
async fn until_answers(spur: &Spur, service: &str, path: &str) {
    until(&format!("{service} answers"), async || {
        let answer = spur.service(service).get(path).send().await;
        if answer.status.is_success() {
            Ok(())
        } else {
            Err(format!("{} {:?} {}", answer.status, answer.headers, answer.text()))
        }
    })
    .await;
}

async fn pod_of(api: &Api, app: &str) -> Value {
    until(&format!("one pod of {app} is ready"), async || {
        let pods = api.pods_of(&format!("app={app}")).await;
        let ready: Vec<_> = pods.iter().filter(|pod| is_condition(pod, "Ready", "True")).collect();
        match ready.as_slice() {
            [pod] => Ok((*pod).clone()),
            _ => Err(format!("{} of {} are ready", ready.len(), pods.len())),
        }
    })
    .await
}

/// Real ports, real names, real addresses, and nothing outside.
pub(crate) async fn two_pods_have_one_port_and_services_have_their_names() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let two = ["pricing", "inventory"].iter().flat_map(|name| sample(name, name, &[]));
    api.create_all(&two.map(private).collect::<Vec<_>>()).await;
    let (pricing, inventory) = (pod_of(&api, "pricing").await, pod_of(&api, "inventory").await);
    let address = |pod: &Value| pod["status"]["podIP"].as_str().unwrap().to_owned();
    assert!(address(&pricing).starts_with("10.211."), "{:#}", pricing["status"]);
    assert_ne!(address(&pricing), address(&inventory));
    assert_eq!(pricing["metadata"]["annotations"]["spur.dev/ports"], Value::Null);

    let cluster = api.get("services", "pricing").await["spec"]["clusterIP"].as_str().unwrap().to_owned();
    let mut asks = private(script(
        "asks",
        "cat /etc/hosts; env | sort; for url in http://pricing http://pricing.default.svc.cluster.local \
         http://$PRICING_SERVICE_HOST $PRICING_URL; do curl -sSf -m 10 $url/health; echo \" of $url\"; done; \
         curl --noproxy '*' -sS -m 10 http://192.0.2.1/ 2>&1; true",
    ));
    asks["spec"]["hostAliases"] = json!([{"ip": "10.0.0.1", "hostnames": ["an-alias"]}]);
    api.create_all(&[asks]).await;
    let asked = api.until(("pods", "asks"), "over", is_over).await;
    let log = api.logs("asks", "").await.ok().text();
    assert_eq!(asked["status"]["phase"], "Succeeded", "{log}");
    for line in [
        "10.0.0.1\tan-alias".to_owned(),
        format!("{}\tasks", address(&asked)),
        format!("{cluster}\tpricing.default.svc.cluster.local pricing.default.svc pricing.default pricing"),
        format!("PRICING_SERVICE_HOST={cluster}"),
        "PRICING_SERVICE_PORT=80".to_owned(),
        "PRICING_URL=http://pricing:80".to_owned(),
    ] {
        assert!(log.lines().any(|found| found == line), "`{line}` is not in\n{log}");
    }
    assert_eq!(log.matches(" of http://").count(), 4, "{log}");
    assert!(log.contains("Network is unreachable") || log.contains("Couldn't connect"), "{log}");
    let told = api.events_of("asks").await;
    assert!(told.iter().all(|(reason, _)| reason != "NotSupported"), "{told:?}");
    spur.end().await;
}

/// The listener for telemetry is on this machine's loopback, and a Service leads there.
pub(crate) async fn a_private_pod_reports_where_its_variables_say() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let span = json!({
        "traceId": "0af7651916cd43dd8448eb211c80319c", "spanId": "00000000000000aa", "name": "nightly",
        "startTimeUnixNano": "1795176000000000000", "endTimeUnixNano": "1795176000001000000",
    });
    let service = json!({ "key": "service.name", "value": { "stringValue": "$OTEL_SERVICE_NAME" } });
    let spans = json!({ "resourceSpans": [{
        "resource": { "attributes": [service] }, "scopeSpans": [{ "spans": [span] }],
    }] });
    let body = spans.to_string().replace('"', "\\\"");
    let reports = private(script(
        "reports",
        &format!(
            "curl -sSf -m 10 -H 'content-type: application/json' -d \"{body}\" $OTEL_EXPORTER_OTLP_ENDPOINT/v1/traces; \
             curl -sS -m 10 --http2-prior-knowledge -o /dev/null -w ' %{{http_code}}' http://telemetry.kube-system:4317/"
        ),
    ));
    api.create_all(&[reports]).await;
    let over = api.until(("pods", "reports"), "over", is_over).await;
    let log = api.logs("reports", "").await.ok().text();
    assert_eq!((over["status"]["phase"].as_str(), log.trim()), (Some("Succeeded"), "{} 404"), "{log}");
    let facts = spur.run(&["status", "-o", "json"]).await.ok().json();
    let telemetry = Site::of(facts["otlp"].as_str().unwrap());
    let found = telemetry.get("/api/traces?service=reports").send().await.ok().json();
    assert_eq!(found["data"][0]["spans"][0]["operationName"], "nightly", "{found:#}");
    spur.end().await;
}

/// The one way out leads where a Service is, later ones too, and to no program of this machine; a volume
/// lies over what is there, and what is not there is told.
pub(crate) async fn a_private_pod_has_one_way_out_and_sees_volumes_where_there_is_a_place() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let outside = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let of_machine = outside.local_addr().unwrap();
    let place = tempfile::tempdir().unwrap();
    let place_path = place.path().to_str().unwrap().to_owned();
    let settings = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"greeting": "hello"},
    });
    let mut asks = private(script(
        "asks",
        &format!(
            "echo proxy=$https_proxy without=$NO_PROXY; cat {place_path}/greeting; echo; \
             echo x > {place_path}/greeting; \
             curl -sS -m 10 -o /dev/null -w 'resolved %{{http_code}}\n' http://nobody.invalid/; \
             curl -sS -m 10 -x $http_proxy --noproxy '' http://{of_machine}/; echo; \
             curl -sS -m 10 -x $http_proxy --retry 50 --retry-delay 1 --retry-all-errors -f \
                 http://pricing.default/health; echo ' of pricing'",
        ),
    ));
    asks["spec"]["volumes"] = json!([{"name": "settings", "configMap": {"name": "settings"}}]);
    asks["spec"]["containers"][0]["volumeMounts"] = json!([
        {"name": "settings", "mountPath": place_path, "readOnly": true},
        {"name": "settings", "mountPath": "/nowhere/here"},
    ]);
    api.create_all(&[settings, asks]).await;
    api.until(("pods", "asks"), "running", |pod| pod["status"]["phase"] == "Running").await;
    // Services that come later are not in its `no_proxy`.
    api.create_all(&sample("pricing", "pricing", &[]).into_iter().map(private).collect::<Vec<_>>()).await;
    let asked = api.until(("pods", "asks"), "over", is_over).await;
    let log = api.logs("asks", "").await.ok().text();
    assert_eq!(asked["status"]["phase"], "Succeeded", "{log}");
    for wanted in [
        "proxy=http://10.211.0.1:3128 without=localhost,127.0.0.1,",
        "hello\n",
        "Read-only file system",
        "resolved 502",
        "hint: run the pod on the shared network",
        " of pricing",
    ] {
        assert!(log.contains(wanted), "`{wanted}` is not in\n{log}");
    }
    assert!(std::fs::read_dir(place.path()).unwrap().next().is_none(), "nothing is written outside");
    let told = api.events_of("asks").await;
    assert!(
        told.iter().any(|(reason, message)| reason == "NotSupported" && message.contains("/nowhere/here")),
        "{told:?}"
    );
    spur.end().await;
}

/// The same picture as with shared processes.
pub(crate) async fn the_demo_runs_in_private_networks() {
    let home = Data::new();
    let mut demo = command::spur(home.home());
    demo.args(["demo", "--exit", "--network", "private"]);
    let output = command::run(demo).await.ok();
    output.prints(&["without a key", "◆pricing v2-cheaper", "pricing v1", "12.00 EUR", "10.80 EUR"]);
}

/// The data plane reaches private pods, and knows who calls from inside; probes are answered, and a
/// command of a probe is inside, too.
pub(crate) async fn a_request_goes_through_private_pods_and_each_caller_is_known() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let mut all = shop();
    for object in all.iter_mut().filter(|object| object["kind"] == "Deployment") {
        object["spec"]["template"]["spec"]["containers"][0]["startupProbe"] =
            json!({"exec": {"command": ["grep", "-q", "pricing.default.svc", "/etc/hosts"]}});
    }
    api.create_all(&all).await;
    until_shop_is_up(&api).await;
    spur.service("frontend").get("/api/cart?n=1").send().await.ok();
    let trace = until("the request is a trace", async || {
        let lines = spur.run(&["trace", "--limit", "5", "-o", "json"]).await.ok().stdout;
        let traces = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let done =
            traces.into_iter().find(|trace| trace["hops"].as_array().is_some_and(|hops| hops.len() == 5));
        done.ok_or(lines)
    })
    .await;
    let hops = trace["hops"].as_array().unwrap();
    let called_by = |service: &str| {
        let hop = hops.iter().find(|hop| hop["decision"]["service"]["name"] == service).unwrap();
        assert_eq!(hop["status"], 200, "{hop:#}");
        hop["source"]["workload"].as_str().unwrap_or_default().to_owned()
    };
    assert_eq!((called_by("checkout"), called_by("pricing")), ("frontend".to_owned(), "checkout".to_owned()));

    // A Service that comes later is known to the pods that run.
    api.create_all(&sample("late", "pricing", &[]).into_iter().map(private).collect::<Vec<_>>()).await;
    api.until_condition(("deployments", "late"), "Available").await;
    until_answers(&spur, "late", "/health").await;

    // A deleted pod leaves no request in vain, and nothing of it.
    for _ in 0..3 {
        let pod = pod_of(&api, "pricing").await;
        api.delete("pods", pod["metadata"]["name"].as_str().unwrap()).await.ok();
        until_answers(&spur, "frontend", "/api/cart").await;
        api.until_gone("pods", pod["metadata"]["name"].as_str().unwrap()).await;
    }
    spur.end().await;
}

/// What a killed Spur has left ends with the next, which starts it again.
pub(crate) async fn private_pods_are_there_again_after_a_kill() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    api.create_all(&shop()).await;
    until_shop_is_up(&api).await;
    until_answers(&spur, "frontend", "/api/cart").await;
    let data = spur.kill().await;
    let spur = Spur::up().on(&data).start().await;
    until_answers(&spur, "frontend", "/api/cart").await;
    spur.end().await;
}

pub(crate) async fn a_pod_whose_network_is_lost_starts_again() {
    let spur = Spur::up().start().await;
    let api = spur.api();
    let mut all: Vec<Value> = sample("pricing", "pricing", &[]).into_iter().map(private).collect();
    all[1]["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
    api.create_all(&all).await;
    let before = pod_of(&api, "pricing").await;
    let uid = before["metadata"]["uid"].as_str().unwrap();
    kill_process(holder(uid).expect("a holder"), Signal::KILL).unwrap();
    let name = before["metadata"]["name"].as_str().unwrap();
    let after = api
        .until(("pods", name), "started again", |pod| {
            pod["status"]["containerStatuses"][0]["restartCount"] == 1 && is_condition(pod, "Ready", "True")
        })
        .await;
    assert_eq!(after["status"]["podIP"], before["status"]["podIP"]);
    until_answers(&spur, "pricing", "/health").await;
    spur.end().await;
}

/// The process that holds a pod's network.
fn holder(uid: &str) -> Option<Pid> {
    let numbers = std::fs::read_dir("/proc").unwrap();
    let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |pid: &i32| {
        let read = |what| {
            String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default())
                .into_owned()
        };
        read("cmdline").contains("\0__pod\0hold\0") && read("environ").contains(&format!("/{uid}/"))
    };
    numbers.into_iter().find(is_it).and_then(Pid::from_raw)
}

pub(crate) async fn where_networks_are_forbidden_a_pod_is_shared_and_says_why() {
    let forbid = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\"";
    let spur =
        Spur::up().under(&["unshare", "--user", "--map-root-user", "sh", "-c", forbid, "sh"]).start().await;
    let api = spur.api();
    let all: Vec<Value> = sample("pricing", "pricing", &[]).into_iter().map(private).collect();
    api.create_all(&all).await;
    let pod = pod_of(&api, "pricing").await;
    assert_eq!(pod["status"]["podIP"], "127.0.0.1");
    let name = pod["metadata"]["name"].as_str().unwrap();
    until("an event says why", async || {
        let events = api.events_of(name).await;
        let told = events.iter().find(|(reason, _)| reason == "NotSupported").map(|(_, message)| message);
        let wanted = ["spur.dev/network: private", "user.max_user_namespaces", "next: "];
        match told {
            Some(message) if wanted.iter().all(|part| message.contains(part)) => Ok(()),
            _ => Err(format!("{events:?}")),
        }
    })
    .await;
    until_answers(&spur, "pricing", "/health").await;
    // An annotation that says nothing is refused with what to do.
    let mut wrong = script("wrong", "true");
    wrong["metadata"]["annotations"] = json!({"spur.dev/network": "bridge"});
    api.create_all(&[wrong]).await;
    let is_refused =
        |pod: &Value| pod["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == "NotSupported";
    api.until(("pods", "wrong"), "refused", is_refused).await;
    tokio::time::timeout(Duration::from_secs(30), spur.end()).await.expect("it ends");
}
