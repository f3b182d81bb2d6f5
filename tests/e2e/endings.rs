//! The end: by a signal, by a second one, and by a disk that does not come back.

use http::Method;
use rustix::process::Signal;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{Spur, Upstream, until};

/// Requests in progress when the signal comes.
const N_REQUESTS: usize = 40;
/// Watches then.
const N_WATCHES: usize = 100;

async fn until_it_says_no(spur: &Spur) {
    until("/readyz says no", async || {
        let answer = spur.api().ask(Method::GET, "/readyz").send().await;
        match answer.status.as_u16() {
            500 if answer.text().contains("[-]shutdown failed") => Ok(()),
            status => Err(format!("{status} {}", answer.text())),
        }
    })
    .await;
}

/// AP-17: `/readyz` says no, nothing new is taken, what runs is finished, watches get an end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ap_17_on_sigterm_requests_finish_and_watches_end_well() {
    let mut spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    let mut requests = JoinSet::new();
    let mut held = Vec::new();
    for _ in 0..N_REQUESTS {
        requests.spawn(spur.service("mine").get("/slow").try_send());
        held.push(upstream.accept().await.0);
    }
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "seen"}});
    spur.api().create(&map).await.ok();
    let mut watches = Vec::new();
    for _ in 0..N_WATCHES {
        let path = "/api/v1/namespaces/default/configmaps?watch=true&fieldSelector=metadata.name%3Dseen";
        let mut watch = spur.api().ask(Method::GET, path).lines().await.unwrap();
        assert!(watch.next().await.unwrap().unwrap().contains("\"seen\""), "it has begun");
        watches.push(watch);
    }

    spur.signal(Signal::TERM);
    until_it_says_no(&spur).await;
    let entry = spur.entry().address;
    until("the entry is closed", async || match TcpStream::connect(&entry).await {
        Err(_) => Ok(()),
        Ok(_) => Err("it takes connections"),
    })
    .await;
    for stream in &mut held {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlast").await.unwrap();
    }
    while let Some(answer) = requests.join_next().await {
        assert_eq!(answer.unwrap().unwrap().ok().text(), "last");
    }
    for watch in &mut watches {
        assert_eq!(watch.next().await, Ok(None), "an end, and not a broken connection");
    }
    assert_eq!(spur.wait().await.code(), Some(0));
}

/// AP-17: what does not end by itself is cut: `wait` has the deadline.
#[tokio::test]
async fn ap_17_a_request_that_never_ends_does_not_hold_up_the_end() {
    let mut spur = Spur::up().start().await;
    let upstream = Upstream::behind(&spur, "mine").await;
    let asked = tokio::spawn(spur.service("mine").get("/forever").try_send());
    let _held = upstream.accept().await;
    spur.signal(Signal::TERM);
    assert_eq!(spur.wait().await.code(), Some(0));
    asked.await.unwrap().expect_err("there was no answer to be had");
}

/// AP-17: a second signal waits for nothing more.
#[tokio::test]
async fn ap_17_a_second_signal_ends_at_once() {
    for second in [Signal::TERM, Signal::INT] {
        let mut spur = Spur::up().start().await;
        let upstream = Upstream::behind(&spur, "mine").await;
        let asked = tokio::spawn(spur.service("mine").get("/forever").try_send());
        let _held = upstream.accept().await;
        spur.signal(Signal::TERM);
        until_it_says_no(&spur).await;
        spur.signal(second);
        // The first alone would end with 0, as the test above has it.
        assert_eq!(spur.wait().await.code(), Some(1));
        assert!(spur.data().stderr().contains("second signal: ending at once"));
        asked.await.unwrap().expect_err("there was no answer to be had");
        // What it had no time for is made up by the next.
        Spur::up().on(spur.data()).start().await.end().await;
    }
}

/// ST-4: a disk that fails and cannot be opened again three times ends Spur with a code; until
/// then reads go on, and nothing acknowledged is lost.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn st_4_a_disk_that_stays_broken_ends_spur_with_a_code() {
    use rustix::process::{Pid, Resource, Rlimit, prlimit};

    let mut spur = Spur::up().start().await;
    let map = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    let kept = spur.api().create(&map("kept")).await.ok().json();
    // Writes beyond the first pages fail (EFBIG), which a large object needs; and what is to be
    // opened again is elsewhere (ENOENT).
    let (store, away) = (spur.data().path().join("store/store.redb"), spur.data().home().join("away"));
    std::fs::rename(&store, &away).unwrap();
    let limit = Rlimit { current: Some(512 << 10), maximum: Some(512 << 10) };
    prlimit(Pid::from_raw(spur.pid().cast_signed()), Resource::Fsize, limit).unwrap();

    let mut lost = map("lost");
    lost["data"] = json!({"k": "x".repeat(900 << 10)});
    let failed = spur.api().create(&lost).await;
    assert_eq!(failed.status, 500, "{}", failed.text());
    let message = failed.json()["message"].as_str().unwrap().to_owned();
    let is_told = ["nothing was written", "is unknown, read it back before retrying"];
    assert!(is_told.iter().any(|told| message.contains(told)), "{message}");
    assert_eq!(spur.api().get("configmaps", "kept").await, kept);
    let ready = spur.api().ask(Method::GET, "/readyz").send().await;
    assert_eq!(ready.status, 500);
    assert!(ready.text().contains("[-]etcd failed: "), "{}", ready.text());

    assert_eq!(spur.wait().await.code(), Some(1));
    let log = spur.data().stderr();
    for told in ["gave up opening it after 3 attempts", "takes no writes any more", "hint: see to the disk"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    std::fs::rename(&away, &store).unwrap();
    let spur = Spur::up().on(spur.data()).start().await;
    assert_eq!(spur.api().get("configmaps", "kept").await, kept);
    spur.end().await;
}
