//! `kubectl top`: what pods, their containers and the node use.

use serde_json::json;

use crate::cases::Case;
use crate::harness::Spur;
use crate::harness::manifests::script;
use crate::kubectl::run;

/// Every test with its name.
pub(crate) const ALL: &[(&str, Case)] = &[
    ("top_shows_who_uses_the_processor", || Box::pin(busy())),
    ("top_says_of_whom_nothing_is_known", || Box::pin(unknown())),
];

const LOOP: &str = "while true; do :; done";

/// Rows of cells, without the header.
async fn rows(spur: &Spur, args: &[&str]) -> Vec<Vec<String>> {
    let output = run(spur, &[&["top"], args, &["--no-headers"]].concat()).await.ok();
    let row = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    output.stdout.lines().map(row).collect()
}

/// `123m` and `45Mi`.
fn number(cell: &str, unit: &str) -> u64 {
    cell.strip_suffix(unit).unwrap_or_else(|| panic!("{cell:?} has no {unit}")).parse().unwrap()
}

async fn busy() {
    let spur = Spur::up().start().await;
    let mut two = script("two", LOOP);
    two["metadata"]["labels"] = json!({"app": "two"});
    let mut second = two["spec"]["containers"][0].clone();
    second["name"] = json!("second");
    second["command"][2] = json!("exec sleep 600");
    two["spec"]["containers"].as_array_mut().unwrap().push(second);
    spur.api().create_all(&[two, script("idle", "exec sleep 600")]).await;
    let both = ["wait", "--for=condition=Ready", "pod/two", "pod/idle", "--timeout=30s"];
    run(&spur, &both).await.ok();

    run(&spur, &["top", "pods"]).await.ok().prints(&["NAME", "CPU(cores)", "MEMORY(bytes)", "two", "idle"]);
    let sorted = rows(&spur, &["pods", "--sort-by=cpu"]).await;
    let [two, idle] = sorted.as_slice() else { panic!("{sorted:?}") };
    assert_eq!((&*two[0], &*idle[0]), ("two", "idle"));
    // A loop has what the other programs of this machine leave to it.
    assert!((100..=1100).contains(&number(&two[1], "m")), "{two:?}");
    assert!(number(&idle[1], "m") < 50, "{idle:?}");
    assert!(number(&two[2], "Mi") < 100, "{two:?}");

    let containers = rows(&spur, &["pod", "two", "--containers"]).await;
    let [main, second] = containers.as_slice() else { panic!("{containers:?}") };
    assert_eq!((&*main[0], &*main[1], &*second[1]), ("two", "main", "second"));
    assert!(number(&main[2], "m") > number(&second[2], "m") + 50, "{containers:?}");

    assert_eq!(rows(&spur, &["pods", "-l", "app=two"]).await.len(), 1);
    assert_eq!(rows(&spur, &["pods", "--field-selector=metadata.name=idle"]).await.len(), 1);
    let table = run(&spur, &["get", "pods.metrics.k8s.io"]).await.ok();
    assert_eq!(
        table.stdout.lines().next().unwrap().split_whitespace().collect::<Vec<_>>(),
        ["NAME", "CPU", "MEMORY", "WINDOW"]
    );
    let nodes = rows(&spur, &["node"]).await;
    let [node] = nodes.as_slice() else { panic!("{nodes:?}") };
    assert!(number(&node[1], "m") >= 100, "the loop runs on it: {node:?}");
    assert!((1..=100).contains(&number(&node[4], "%")), "{node:?}");
    run(&spur, &["get", "pods", "two"]).await.ok().prints(&["two", "2/2", "Running"]);
    spur.end().await;
}

async fn unknown() {
    let spur = Spur::up().start().await;
    run(&spur, &["top", "pods"]).await.ok().tells(&["No resources found in default namespace."]);
    run(&spur, &["top", "pod", "none"]).await.code(1).tells(&["pods \"none\" not found"]);
    spur.api().create_all(&[script("brief", "exit 0"), script("there", "exec sleep 600")]).await;
    let ended = "--for=jsonpath={.status.phase}=Succeeded";
    run(&spur, &["wait", ended, "pod/brief", "--timeout=30s"]).await.ok();
    run(&spur, &["wait", "--for=condition=Ready", "pod/there", "--timeout=30s"]).await.ok();
    let missing = "podmetrics.metrics.k8s.io \"default/brief\" not found";
    run(&spur, &["top", "pod", "brief"]).await.code(1).tells(&[missing]);
    let all = rows(&spur, &["pods"]).await;
    assert_eq!(all.iter().map(|row| &*row[0]).collect::<Vec<_>>(), ["there"]);
    // What is gone leaves the list, whatever was read of it before.
    run(&spur, &["delete", "pod", "there", "--timeout=30s"]).await.ok();
    run(&spur, &["top", "pods"]).await.code(1).tells(&["metrics not available yet"]);
    run(&spur, &["delete", "pod", "brief", "--timeout=30s"]).await.ok();
    run(&spur, &["top", "pods"]).await.ok().tells(&["No resources found in default namespace."]);
    spur.end().await;
}
