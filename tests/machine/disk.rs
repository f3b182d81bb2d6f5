//! A disk of 40 MiB that fills up, and one that cannot be written.

use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use http::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Data, Spur, Upstream, command, until};

/// Mounts something over a directory in a namespace of its own, and becomes what follows.
fn mounted(mount: &str) -> [&str; 7] {
    ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", mount]
}

/// A data directory whose `store` is there to be mounted over.
fn with_store() -> (Data, PathBuf) {
    let data = Data::new();
    let store = data.path().join("store");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&store).unwrap();
    (data, store)
}

/// A ConfigMap of 512 KiB.
fn large(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": "x".repeat(512 << 10)}})
}

/// Writes into a file until there is no room.
fn fill(path: &std::path::Path) {
    let mut file = fs::File::create(path).unwrap();
    let block = vec![0xA5; 64 << 10];
    let full = loop {
        if let Err(error) = file.write_all(&block) {
            break error;
        }
    };
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull, "{full}");
}

fn refused(answer: &Answer) -> String {
    let status = answer.json();
    assert_eq!((answer.status.as_u16(), &status["reason"]), (507, &json!("InsufficientStorage")), "{status}");
    status["message"].as_str().unwrap().to_owned()
}

/// ST-3: 507 with what has to be free; reads, deletes and the proxy go on; `/readyz` says why; and
/// when there is room again, writes work without anybody's doing.
pub(crate) async fn st_3_a_full_disk_refuses_writes_and_recovers_when_there_is_room() {
    let (data, store) = with_store();
    let mount = format!("mount -t tmpfs -o size=40m,mode=700 none '{}'; exec \"$@\"", store.display());
    let spur = Spur::up().on(&data).under(&[&mounted(&mount)[..], &["sh"]].concat()).start().await;
    let inside = PathBuf::from(format!("/proc/{}/root{}", spur.pid(), store.display()));
    assert!(inside.join("store.redb").exists(), "the store is on the mount");
    assert!(!store.join("store.redb").exists(), "and not outside");
    let upstream = Upstream::behind(&spur, "mine").await;
    let api = spur.api();
    api.create(&large("kept-0")).await.ok();
    api.create(&large("kept-1")).await.ok();

    fill(&inside.join("filler"));
    // What redb has free inside its file is used up first: far less than the 20 MiB of these.
    let mut message = None;
    for n in 0..40 {
        let answer = api.create(&large(&format!("more-{n}"))).await;
        if !answer.status.is_success() {
            message = Some(refused(&answer));
            break;
        }
    }
    let message = message.expect("a full disk refuses");
    for told in
        [&format!("disk is full at `{}`", store.display()), "have to be free", "hint: free some space"]
    {
        assert!(message.contains(told), "{told}: {message}");
    }
    let ready = api.ask(Method::GET, "/readyz").send().await;
    assert_eq!(
        (ready.status.as_u16(), ready.text().contains("[-]etcd failed: the disk is full")),
        (500, true)
    );
    assert_eq!(api.get("configmaps", "kept-0").await["data"], large("kept-0")["data"]);
    let asked = tokio::spawn(spur.service("mine").get("/").send());
    let (mut stream, _) = upstream.accept().await;
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
        .await
        .unwrap();
    assert_eq!(asked.await.unwrap().ok().text(), "hi");
    api.delete("configmaps", "kept-1").await.ok();

    fs::remove_file(inside.join("filler")).unwrap();
    until("writes are taken again", async || match api.create(&large("later")).await {
        answer if answer.status.is_success() => Ok(()),
        answer => Err(refused(&answer)),
    })
    .await;
    assert_eq!(api.ask(Method::GET, "/readyz").send().await.status, 200);
    assert!(api.find("configmaps", "kept-1").await.is_none(), "the delete took place");
    api.get("configmaps", "kept-0").await;
    spur.end().await;
}

/// ST-3: where the log is on the full disk too, what cannot be logged is lost, and nothing else.
pub(crate) async fn st_3_a_log_on_the_full_disk_takes_nothing_along() {
    let (data, store) = with_store();
    let (at, log) = (store.display(), store.join("log"));
    let mount = format!("mount -t tmpfs -o size=40m,mode=700 none '{at}'; exec \"$@\" 2>'{}'", log.display());
    let spur = Spur::up().on(&data).under(&[&mounted(&mount)[..], &["sh"]].concat()).start().await;
    let inside = PathBuf::from(format!("/proc/{}/root{at}", spur.pid()));
    let api = spur.api();
    api.create(&large("kept")).await.ok();
    fill(&inside.join("filler"));
    // Each refusal is a line of the log, more than what its last block still takes.
    let mut n_refused = 0;
    for n in 0..100 {
        let answer = api.create(&large(&format!("more-{n}"))).await;
        if !answer.status.is_success() {
            refused(&answer);
            n_refused += 1;
            if n_refused == 1 {
                // What the store has just given up for its own recovery.
                fill(&inside.join("ballast's place"));
            }
        }
    }
    assert!(n_refused > 50, "{n_refused} were refused");
    let logged = fs::read_to_string(inside.join("log")).unwrap();
    assert!(logged.matches("request failed").count() < n_refused, "the log was full as well");
    fs::remove_file(inside.join("filler")).unwrap();
    fs::remove_file(inside.join("ballast's place")).unwrap();
    until("writes are taken again", async || match api.create(&large("later")).await {
        answer if answer.status.is_success() => Ok(()),
        answer => Err(refused(&answer)),
    })
    .await;
    let logged = fs::read_to_string(inside.join("log")).unwrap();
    assert!(!logged.contains("panicked"), "{logged}");
    spur.end().await;
}

/// ST-9: a read-only file system is named before anything listens.
pub(crate) async fn st_9_a_read_only_file_system_is_refused() {
    let (data, store) = with_store();
    let store = store.display().to_string();
    let mount = format!("mount --bind '{store}' '{store}'; mount -o remount,ro,bind '{store}'; exec \"$@\"");
    let mut up = tokio::process::Command::new("unshare");
    up.args(&mounted(&mount)[1..]).arg("sh").arg(env!("CARGO_BIN_EXE_spur"));
    up.args(["up", "-o", "json", "--port", "0", "--entry-port", "0", "--data"]).arg(data.path());
    let told = [
        &*store,
        "cannot be written",
        "hint: check its owner and whether its file system is mounted read-only",
    ];
    command::run(up).await.code(1).prints_nothing().tells(&told);
}
