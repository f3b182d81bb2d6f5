//! Starts that are refused: what is wrong with the data directory or an address, before anything
//! listens, and with everything left as it was.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use crate::harness::{Data, Output, Spur, command};

/// A directory with one object in it, and nobody using it.
async fn filled() -> Data {
    let spur = Spur::up().start().await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}});
    spur.api().create(&map).await.ok();
    spur.end().await
}

/// Mode and content of every file, but for the lock, which is taken to look.
fn content(dir: &Path) -> BTreeMap<String, (u32, Vec<u8>)> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let found = path.metadata().unwrap();
        if path.is_dir() {
            all.extend(content(&path));
        } else if !path.ends_with("lock") {
            all.insert(path.display().to_string(), (found.permissions().mode(), fs::read(&path).unwrap()));
        }
    }
    all
}

/// `spur up` on this directory, with a port that somebody else holds: whoever complains about
/// that has come as far as to listen.
async fn up(data: &Data) -> Output {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let mut up = command::spur(data.home());
    up.args(["up", "-o", "json", "--port", &port, "--entry-port", "0", "--data"]).arg(data.path());
    command::run(up).await
}

/// It says what is wrong and what helps, has not listened, and has changed nothing.
async fn check_refused(data: &Data, told: &[&str]) {
    let before = content(&data.path());
    let refused = up(data).await.code(1).prints_nothing().tells(told).tells(&["hint: "]);
    assert!(!refused.stderr.contains("held by"), "it came to listen: {}", refused.stderr);
    assert!(!refused.stderr.contains("panicked"), "an error is no panic: {}", refused.stderr);
    assert!(content(&data.path()) == before, "something was changed");
}

/// ST-6: what is no database, what ends early, and pages that make no sense.
#[tokio::test]
async fn st_6_a_damaged_database_is_refused_with_what_helps_and_left_alone() {
    let filled = filled().await;
    let whole = fs::read(filled.path().join("store/store.redb")).unwrap();
    let mut zeroed = whole.clone();
    zeroed[4_096..].fill(0);
    let mut garbled = whole.clone();
    garbled[4_096..].fill(0xA5);
    for (damaged, told) in [
        (&vec![0xA5; 64 << 10], "is not a database"),
        (&whole[..whole.len() / 2].to_vec(), "is damaged"),
        (&zeroed, "is damaged"),
        (&garbled, "is damaged"),
    ] {
        let data = filled.copy();
        let database = data.path().join("store/store.redb");
        fs::write(&database, damaged).unwrap();
        let path = database.display().to_string();
        check_refused(&data, &[&path, told, "put a backup in its place and delete `cluster`"]).await;
    }
}

/// ST-7: a database that is empty or missing is never taken for a first start.
#[tokio::test]
async fn st_7_an_empty_or_missing_database_is_not_made_anew() {
    let filled = filled().await;
    let marker = fs::read_to_string(filled.path().join("store/cluster")).unwrap();
    let cluster = marker.lines().next().unwrap().strip_prefix("cluster: ").unwrap();
    let data = filled.copy();
    fs::write(data.path().join("store/store.redb"), "").unwrap();
    check_refused(&data, &["is empty: 0 bytes", cluster, "give an empty directory to start anew"]).await;
    fs::remove_file(data.path().join("store/store.redb")).unwrap();
    check_refused(&data, &["initialised as cluster", cluster, "is missing"]).await;
}

/// ST-9: what others may write, or read where it is secret.
#[tokio::test]
async fn st_9_what_is_open_to_others_is_refused_with_the_mode() {
    let filled = filled().await;
    for (path, mode) in [
        ("", 0o777),
        ("", 0o720),
        ("store", 0o750),
        ("identity/authority.pem", 0o644),
        ("identity/service-account.key", 0o640),
        ("identity/admin.token", 0o604),
    ] {
        let data = filled.copy();
        let path = data.path().join(path);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let path = path.display().to_string();
        let path = path.trim_end_matches('/');
        check_refused(&data, &[path, &format!("mode {mode:o}"), "chmod"]).await;
    }
    // Others may look at the directory itself: `mkdir` makes such ones.
    let data = filled.copy();
    fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
    Spur::up().on(&data).start().await.end().await;
}

/// ST-9: any path that is a directory will do.
#[tokio::test]
async fn st_9_a_path_may_have_spaces_and_letters_of_any_alphabet() {
    let home = Data::new();
    let path = home.home().join("my data – ünï ‘код’ 数据");
    for _start in ["first", "second"] {
        let mut up = command::spur(home.home());
        // Standard input has ended, so it ends as soon as it is ready.
        up.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--until-stdin-ends", "--data"]);
        let ready = command::run({
            up.arg(&path);
            up
        });
        let ready = ready.await.ok().json();
        assert_eq!(ready["kubeconfig"], path.join("kubeconfig").display().to_string());
    }
}

/// AP-16: whoever holds the port is named, and nothing is left half-started.
#[tokio::test]
async fn ap_16_a_port_in_use_names_its_holder_and_leaves_nothing_behind() {
    let data = Data::new();
    let first = Spur::up().start().await;
    let entry = first.entry().address;
    let port = entry.rsplit_once(':').unwrap().1.to_owned();
    for (flag, other) in [("--port", "--entry-port"), ("--entry-port", "--port")] {
        let mut up = command::spur(data.home());
        up.args(["up", "-o", "json", flag, &port, other, "0", "--data"]).arg(data.path());
        let holder = format!("process {} (`spur`)", first.pid());
        let hint = format!("hint: choose another port with {flag}, or {flag} 0 for a free one");
        command::run(up).await.code(1).prints_nothing().tells(&[&entry, &holder, &hint]);
        assert!(!data.path().join("kubeconfig").exists(), "nobody is told of a server that is not there");
    }
    // The lock, the pods' directory and the ports are free for the next.
    Spur::up().on(&data).start().await.end().await;
    first.end().await;
}
