//! `docs/runtimes.md` says of every field what the table says.

use std::fmt::Write;
use std::path::Path;

use super::{Asks, CAPABILITIES, Capability, Support};

/// What stands above the table.
const HEAD: &str = "\
# What runs pods

Made from the table that refuses and leaves out (`src/control/pod/support/table.rs`) by
`SPUR_WRITE=1 cargo test -p spur-control --lib page`.

A pod runs as **processes** or on **Docker**: as its annotation `spur.dev/runtime` says (`process`, `docker`), else as
`spur up --runtime` says; `auto`, the default, is Docker where an engine answers and every container names an
image, and processes otherwise. A pod stays where it has been. Processes share this
machine's network, or, on Linux where users may make namespaces, are **private** by the annotation
`spur.dev/network: private`: in a network of the pod's own, with real ports and Services' names. Where that is not
allowed the pod shares the machine's, and an event says which setting forbids it.

| | processes | private processes | Docker |
|---|---|---|---|
| a container is | a process group of this machine, of its `command` | the same | a container of its `image` |
| address | 127.0.0.1; each declared port gets a free one, told as `PORT`, `PORT_<NAME>` and in the annotation `spur.dev/ports` | its own, with its real ports; nobody but Spur reaches it | its own, with its real ports |
| a Service is reached at | `<SVC>_URL`, `<SVC>_SERVICE_HOST` and `_PORT` | its name, of any namespace, at its cluster address and real ports; the variables, too | its name, of any namespace, at its real ports; the variables, too |
| outside is reached | as by you | through the HTTP proxy that `http_proxy` and `https_proxy` name; this machine's own loopback is not | as by any container |
| telemetry goes to | `OTEL_EXPORTER_OTLP_ENDPOINT`: the listener for telemetry | the same: `http://telemetry.kube-system.svc:4318` (gRPC at 4317, too) | the same |
| the API is reached at | the kubeconfig | `https://kubernetes.default.svc` | `https://kubernetes.default.svc`, with the account's token mounted |
| volumes | made, and found below `SPUR_VOLUMES`; claims are not supported | the same, and mounted where the path is there on this machine | mounted; claims are volumes of the engine |
| takes more of the disk than it may | `Evicted` above the `sizeLimit` of a volume, looked at every 10 s | the same | the same, and above `limits` of `ephemeral-storage` |
| `kill -9` of Spur | ends them with the next start | the same | they go on and are taken over |
| pod security | your own rights | the same | `baseline`, unless the namespace's label `pod-security.kubernetes.io/enforce` says otherwise |
| ready without a probe | when the port speaks its protocol (Redis, PostgreSQL, MySQL, MongoDB, RabbitMQ, NATS, Kafka, HTTP, gRPC; told by image, port name or both); `spur.dev/readiness: none` turns it off | the same | the same |

*works*: as in Kubernetes. *left out*: the pod runs without it, and an event says so. *refused*: the pod is not
started, and its state names the field and the next step. What is not in the table works everywhere, or nothing acts
on it on one machine.

| field | processes | private processes | Docker |
|---|---|---|---|
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for capability in &CAPABILITIES {
        let prefix = match capability.is_asked {
            Asks::OfPod(_) => "spec.",
            Asks::OfContainer(_) => "containers[].",
        };
        let Capability { field, is_asked: _, process, private, docker } = capability;
        let [process, private, docker] = [process, private, docker].map(|support| shown(*support));
        writeln!(page, "| `{prefix}{field}` | {process} | {private} | {docker} |").expect("a text grows");
    }
    page
}

fn shown(support: Support) -> String {
    match support {
        Support::Works => "works".to_owned(),
        Support::Partly(how) => format!("works {how}"),
        Support::LeftOut => "left out".to_owned(),
        Support::Refused(next) => format!("refused; {next}"),
    }
}

#[test]
fn the_page_of_runtimes_says_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/runtimes.md");
    if std::env::var_os("SPUR_WRITE").is_some() {
        std::fs::write(&path, page()).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        found,
        page(),
        "docs/runtimes.md is stale: run `SPUR_WRITE=1 cargo test -p spur-control --lib page`"
    );
}
