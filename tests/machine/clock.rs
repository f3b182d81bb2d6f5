//! Clocks that jump: revisions count writes, and certificates say what the clock says.

use serde_json::Value;

use crate::harness::{Data, Output, Spur, command};

/// What `faketime -f` does, by a command that becomes the one it runs: `faketime` itself stays
/// between, and a signal would end it alone. The library is where it says, below ld.so's `$LIB`.
async fn at(clock: &str) -> [String; 3] {
    let asked =
        tokio::process::Command::new("faketime").args(["-f", clock, "printenv", "LD_PRELOAD"]).output();
    let library = String::from_utf8(asked.await.unwrap().stdout).unwrap();
    ["env".to_owned(), format!("LD_PRELOAD={}", library.trim()), format!("FAKETIME={clock}")]
}

/// A command whose clock is the server's.
async fn run_at(clock: &str, spur: &Spur, args: &[&str]) -> Output {
    let mut under = tokio::process::Command::new("faketime");
    under.args(["-f", clock]).arg(env!("CARGO_BIN_EXE_spur")).args(args);
    under.env("KUBECONFIG", spur.kubeconfig()).env("TZ", "UTC").kill_on_drop(true);
    command::run(under).await
}

/// A ConfigMap made by a server with this clock, and every one that was made before.
async fn make_at(clock: &str, data: &Data, name: &str) -> (Value, Vec<Value>) {
    let at = at(clock).await;
    let spur = Spur::up().on(data).under(&at.each_ref().map(String::as_str)).start().await;
    let file =
        data.write("map.yaml", &format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n"));
    run_at(clock, &spur, &["apply", "-f", &file.display().to_string()]).await.ok();
    let all = run_at(clock, &spur, &["get", "configmaps", "-o", "json"]).await.ok().json();
    spur.end().await;
    let all = all["items"].as_array().unwrap().clone();
    (all.iter().find(|map| map["metadata"]["name"] == *name).unwrap().clone(), all)
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

/// Two hours ago, now, somewhere else, and now again.
async fn check_jump(clock: &str) {
    let data = Data::new();
    // The authority holds from five minutes before it was made, so it is older than any clock here.
    make_at("-2h", &data, "first").await;
    let (before, _) = make_at("+0", &data, "before").await;
    let (during, all) = make_at(clock, &data, "during").await;
    let (after, _) = make_at("+0", &data, "after").await;
    let made = |object: &Value| object["metadata"]["creationTimestamp"].as_str().unwrap().to_owned();
    assert_eq!(made(&during) < made(&before), clock.starts_with('-'), "the clock has jumped");
    assert!(all.contains(&before), "what was there is as it was");
    // A start writes a handful of objects; a clock's figures would be far beyond.
    assert!(revision(&before) < revision(&during) && revision(&during) < revision(&after));
    assert!(revision(&after) < revision(&before) + 1_000, "{}", revision(&after));
}

/// ST-11: over a year forward, and back.
pub(crate) async fn st_11_a_clock_that_jumps_by_400_days_changes_no_revision() {
    check_jump("+400d").await;
}

/// ST-11: an hour back, and forward.
pub(crate) async fn st_11_a_clock_that_went_back_an_hour_changes_no_revision() {
    check_jump("-1h").await;
}

/// ST-11: the certificate is a year's, so with a clock 400 days on it has expired, and the text
/// says what the clock says.
pub(crate) async fn st_11_a_client_with_a_wrong_clock_is_told_what_it_says() {
    let spur = Spur::up().start().await;
    let date = std::process::Command::new("faketime").args(["-f", "+400d", "date", "-u", "+%Y-%m-"]).output();
    let month = String::from_utf8(date.unwrap().stdout).unwrap();
    let clock = format!("hint: the clock of this machine says {}", month.trim());
    run_at("+400d", &spur, &["get", "pods"]).await.code(3).tells(&["certificate expired", &clock]);
    spur.end().await;
}
