//! `docs/runtimes.md` says of every field what the table says.

use std::fmt::Write;
use std::path::Path;

use super::{Asks, CAPABILITIES, Support};

/// What stands above the table.
const HEAD: &str = "\
# What runs pods

Made from the table that refuses and leaves out (`src/control/pod/support/table.rs`) by
`SPUR_WRITE=1 cargo test -p spur-control --lib page`.

A pod runs as **processes** or on **Docker**: as its annotation `spur.dev/runtime` says (`process`, `docker`), else as
`spur up --runtime` says; `auto`, the default, is Docker where an engine answers and every container names an
image, and processes otherwise. A pod stays where it has been.

| | processes | Docker |
|---|---|---|
| a container is | a process group of this machine, of its `command` | a container of its `image` |
| address | 127.0.0.1; each declared port gets a free one, told as `PORT`, `PORT_<NAME>` and in the annotation `spur.dev/ports` | its own, with its real ports |
| a Service is reached at | `<SVC>_URL`, `<SVC>_SERVICE_HOST` and `_PORT` | its name, of any namespace, at its real ports; the variables, too |
| the API is reached at | the kubeconfig | `https://kubernetes.default.svc`, with the account's token mounted |
| volumes | made, and found below `SPUR_VOLUMES`; claims are not supported | mounted; claims are volumes of the engine |
| `kill -9` of Spur | ends them with the next start | they go on and are taken over |
| pod security | your own rights | `baseline`, unless the namespace's label `pod-security.kubernetes.io/enforce` says otherwise |
| ready without a probe | when the port speaks its protocol (Redis, PostgreSQL, MySQL, MongoDB, RabbitMQ, NATS, Kafka, HTTP, gRPC; told by image, port name or both); `spur.dev/readiness: none` turns it off | the same |

*works*: as in Kubernetes. *left out*: the pod runs without it, and an event says so. *refused*: the pod is not
started, and its state names the field and the next step. What is not in the table works on both, or nothing acts
on it on one machine.

| field | processes | Docker |
|---|---|---|
";

fn page() -> String {
    let mut page = HEAD.to_owned();
    for capability in &CAPABILITIES {
        let prefix = match capability.is_asked {
            Asks::OfPod(_) => "spec.",
            Asks::OfContainer(_) => "containers[].",
        };
        let (process, docker) = (shown(capability.process), shown(capability.docker));
        writeln!(page, "| `{prefix}{}` | {process} | {docker} |", capability.field).expect("a text grows");
    }
    page
}

fn shown(support: Support) -> String {
    match support {
        Support::Works => "works".to_owned(),
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
