//! Services of every type with containers behind them, asked from containers and from this machine.

use std::net::UdpSocket;
use std::time::Duration;

use serde_json::json;

use crate::harness::api::is_over;
use crate::harness::{Api, Site, until};
use crate::world::{World, ask, pod, sample, shell};

/// What a pod that runs this script has said when it is over.
async fn said(api: &Api, name: &str, script: &str) -> String {
    api.create(&pod(name, &[shell("main", script)])).await.ok();
    api.until(("pods", name), "over", is_over).await;
    api.logs(name, "").await.ok().text()
}

/// Answers at a port of this machine.
async fn until_healthy(port: u64) {
    let site = Site::of(&format!("http://localhost:{port}"));
    until(&format!("port {port} answers"), async || {
        let answer = site.get("/health").try_send().await?;
        if answer.status == 200 { Ok(()) } else { Err(answer.text()) }
    })
    .await;
}

/// NodePort and LoadBalancer at ports of this machine, ExternalName as another name.
pub(crate) async fn types() {
    let world = World::up().await;
    let (spur, api) = (world.spur(), world.spur().api());
    api.create_all(&sample("pricing", "pricing", &[])).await;
    spur.until_routed("pricing").await;
    let of_type = |name: &str, kind: &str, port: u16| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"type": kind, "selector": {"app": "pricing"}, "ports": [{"port": port, "targetPort": "http"}]},
        })
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let alias = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "alias"},
        "spec": {"type": "ExternalName", "externalName": "pricing.default.svc.cluster.local"},
    });
    api.create_all(&[of_type("node", "NodePort", 80), of_type("balanced", "LoadBalancer", free), alias])
        .await;
    let node_port = api.get("services", "node").await["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    until_healthy(node_port).await;
    until_healthy(free.into()).await;
    let balanced = api.get("services", "balanced").await;
    assert_eq!(balanced["status"]["loadBalancer"]["ingress"][0]["ip"], "127.0.0.1", "{balanced:#}");
    let answer = said(&api, "caller", &ask("alias", 80)).await;
    assert!(answer.starts_with("HTTP/1.1 ") && !answer.starts_with("HTTP/1.1 5"), "{answer}");
}

/// Pods of a headless Service have names of their own, and are reached without a hop.
pub(crate) async fn headless() {
    let world = World::up().await;
    let api = world.spur().api();
    let container = &sample("db", "dummy", &[])[1]["spec"]["template"]["spec"]["containers"][0];
    let set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {
            "replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
            "template": {
                "metadata": {"labels": {"app": "db"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"},
        "spec": {"clusterIP": "None", "selector": {"app": "db"}, "ports": [{"name": "http", "port": 8080}]},
    });
    api.create_all(&[service, set]).await;
    api.until(("statefulsets", "db"), "ready", |set| set["status"]["readyReplicas"] == 2).await;
    let hosts = until("both have names", async || {
        let name = format!("looks-{}", std::process::id());
        let hosts = said(&api, &name, "cat /etc/hosts").await;
        api.delete("pods", &name).await.ok();
        api.until_gone("pods", &name).await;
        let has = |name: &str| hosts.lines().any(|line| line.split_whitespace().any(|word| word == name));
        if has("db-0.db") && has("db-1.db") { Ok(hosts) } else { Err(hosts) }
    })
    .await;
    for name in ["db-0", "db-1"] {
        let pod = api.get("pods", name).await;
        let line = hosts.lines().find(|line| line.contains(&format!("{name}.db"))).unwrap();
        assert!(line.starts_with(pod["status"]["podIP"].as_str().unwrap()), "{line}");
        let answer = said(&api, &format!("asks-{name}"), &ask(&format!("{name}.db"), 8080)).await;
        assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    }
}

/// Datagrams by a Service's name from a container, by its node port from this machine, and each client
/// with one endpoint where that is asked for.
pub(crate) async fn datagrams() {
    let world = World::up().await;
    let api = world.spur().api();
    let mut server = shell("main", "exec /bin/udp serve 5353 $(hostname)");
    server["ports"] = json!([{"name": "dns", "containerPort": 5353, "protocol": "UDP"}]);
    let servers = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "echo"},
        "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "echo"}},
            "template": {
                "metadata": {"labels": {"app": "echo"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [server]},
            },
        },
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"},
        "spec": {
            "type": "NodePort", "selector": {"app": "echo"}, "sessionAffinity": "ClientIP",
            "ports": [{"name": "dns", "port": 53, "targetPort": "dns", "protocol": "UDP"}],
        },
    });
    api.create_all(&[service, servers]).await;
    api.until_condition(("deployments", "echo"), "Available").await;
    let script = "for n in 1 2 3 4 5 6; do /bin/udp ask echo 53 hi$n || /bin/udp ask echo 53 hi$n; done";
    let answers = said(&api, "asks", script).await;
    let lines: Vec<&str> = answers.lines().collect();
    let of = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    assert_eq!(lines.len(), 6, "{answers}");
    assert!(lines.iter().all(|line| of(line) == of(lines[0]) && line.contains(": hi")), "{answers}");
    let node_port = api.get("services", "echo").await["spec"]["ports"][0]["nodePort"].as_u64().unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    until("this machine is answered", async || {
        let to = ("127.0.0.1", u16::try_from(node_port).unwrap());
        socket.send_to(b"here", to).map_err(|error| error.to_string())?;
        let mut answer = [0; 1024];
        let n_bytes = socket.recv(&mut answer).map_err(|error| error.to_string())?;
        let answer = String::from_utf8_lossy(&answer[..n_bytes]).into_owned();
        if answer.ends_with(": here") { Ok(()) } else { Err(answer) }
    })
    .await;
}

/// The listener for telemetry is on this machine's loopback, and a Service leads there.
pub(crate) async fn telemetry() {
    let world = World::up().await;
    let spur = world.spur();
    let span =
        json!([{ "traceId": "a", "id": "b", "name": "nightly", "localEndpoint": { "serviceName": "cron" } }]);
    let script = format!(
        "echo $OTEL_SERVICE_NAME at $OTEL_EXPORTER_OTLP_ENDPOINT; \
         wget -q -O - --header 'content-type: application/json' --post-data '{span}' $OTEL_EXPORTER_OTLP_ENDPOINT/api/v2/spans; \
         echo $?"
    );
    let log = said(&spur.api(), "cron", &script).await;
    assert_eq!(log, "cron at http://telemetry.kube-system.svc:4318\n0\n");
    let facts = spur.run(&["status", "-o", "json"]).await.ok().json();
    let listener = Site::of(facts["otlp"].as_str().unwrap());
    let found = listener.get("/api/traces?service=cron").send().await.ok().json();
    assert_eq!(found["data"][0]["spans"][0]["operationName"], "nightly", "{found:#}");
}
