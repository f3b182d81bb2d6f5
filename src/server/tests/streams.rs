//! exec and attach over a real connection: a client as kubectl, kube-rs and
//! Python's are, and processes behind the server.

mod refused;
pub(super) mod served;

use std::sync::Arc;

use futures::{FutureExt, SinkExt, StreamExt, stream};
use serde_json::json;
use spur_runtime::{FakeRuntime, OutputStream, Session, StdinMode, StdioPlan};
use tokio_tungstenite::tungstenite::Message;

use served::{Served, wait_for};

const V4: &str = "v4.channel.k8s.io";
const V5: &str = "v5.channel.k8s.io";

#[tokio::test]
async fn a_command_says_what_it_writes_and_how_it_ended() {
    let served = Served::new().await;
    for protocol in [V4, V5] {
        let mut client = served.sh("echo out; echo err >&2; exit 3", "stdout=1&stderr=1", protocol).await;
        let (said, status) = client.end().await;
        assert_eq!((said.stdout.as_slice(), said.stderr.as_slice()), (&b"out\n"[..], &b"err\n"[..]));
        assert_eq!((&status["status"], &status["reason"]), (&json!("Failure"), &json!("NonZeroExitCode")));
        assert_eq!(status["details"], json!({"causes": [{"reason": "ExitCode", "message": "3"}]}));
        let mut client = served.sh("true", "stdout=1", protocol).await;
        assert_eq!(client.end().await.1, json!({"metadata": {}, "status": "Success"}));
    }
}

#[tokio::test]
async fn input_goes_in_as_bytes_or_text_and_has_an_end_in_v5() {
    let served = Served::new().await;
    let mut client = served.sh("cat", "stdin=1&stdout=1", V5).await;
    client.send(b"\0a\xff\0b").await;
    // Python's client sends text.
    client.say(Message::text("\0c")).await;
    client.send(b"\xff\0").await;
    let (said, status) = client.end().await;
    assert_eq!((said.stdout.as_slice(), &status["status"]), (&b"a\xff\0bc"[..], &json!("Success")));
    let mut client = served.sh("head -c 2", "stdin=1&stdout=1", V4).await;
    client.send(b"\xff\0").await;
    client.send(b"\0ab").await;
    assert_eq!(client.end().await.0.stdout, b"ab");
    let mut client = served.sh("cat; echo end", "stdout=1", V4).await;
    client.send(b"\0nobody asked").await;
    assert_eq!(client.end().await.0.stdout, b"end\n");
}

#[tokio::test]
async fn input_that_nobody_reads_any_more_is_dropped() {
    let served = Served::new().await;
    let mut client = served.sh("exec <&-; echo closed; sleep 0.2", "stdin=1&stdout=1", V5).await;
    client.until("closed\n").await;
    for _ in 0..20 {
        client.send(&[0; 65_536]).await;
    }
    assert_eq!(client.end().await.1["status"], "Success");
}

#[tokio::test]
async fn a_terminal_begins_with_the_clients_size_and_follows_it() {
    let served = Served::new().await;
    let script = "stty -echo; trap 'stty size' WINCH; stty size; until [ \"$a\" ]; do read a; done; echo $a";
    let mut client = served.sh(script, "stdin=1&stdout=1&stderr=1&tty=1", V5).await;
    client.send(b"\x04{\"Width\":101,\"Height\":33}").await;
    client.until("33 101\r\n").await;
    client.send(b"\x04{\"Width\":80,\"Height\":20}").await;
    client.until("20 80\r\n").await;
    client.send(b"\0typed\r").await;
    let (said, status) = client.end().await;
    assert_eq!((said.stdout.as_slice(), &status["status"]), (&b"typed\r\n"[..], &json!("Success")));
}

#[tokio::test]
async fn a_terminal_without_a_size_is_that_of_a_vt100_and_loses_no_input() {
    let served = Served::new().await;
    let script = "stty -echo; read a; stty size; echo $a";
    let mut client = served.sh(script, "stdin=1&stdout=1&tty=1", V4).await;
    client.send(b"\0first\r").await;
    let text = String::from_utf8(client.end().await.0.stdout).expect("text");
    assert!(text.ends_with("24 80\r\nfirst\r\n"), "{text:?}");
}

#[tokio::test]
async fn a_client_that_goes_takes_its_command_with_it() {
    let served = Served::new().await;
    for close in [true, false] {
        let script = "trap '' TERM; rm -f pids; sleep 600 & echo $$ $! > new; mv new pids; wait; wait";
        let mut client = served.sh(script, "stdin=1&stdout=1", V5).await;
        wait_for("the numbers", || !served.read("pids").is_empty()).await;
        if close {
            client.say(Message::Close(None)).await;
        }
        drop(client);
        let pids = served.read("pids");
        let is_left = |pid: &str| {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            !stat.is_empty() && !stat.contains(") Z ")
        };
        wait_for("the command's end", || !pids.split_whitespace().any(is_left)).await;
        std::fs::remove_file(served.tmp.path().join("pids")).expect("it was there");
    }
}

#[tokio::test]
async fn a_command_waits_for_a_client_that_does_not_read() {
    let served = Served::new().await;
    let n_bytes = 64 * 1024 * 1024;
    let script = format!("head -c {n_bytes} /dev/zero; echo x > done");
    let mut client = served.sh(&script, "stdout=1", V5).await;
    let Some(Message::Binary(first)) = client.next().await else { panic!("no output") };
    // Sockets hold a few MB; the rest is not written before somebody reads.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(served.read("done"), "");
    let (said, status) = client.end().await;
    assert_eq!(first.len() - 1 + said.stdout.len(), n_bytes);
    assert_eq!((served.read("done").as_str(), &status["status"]), ("x\n", &json!("Success")));
}

#[tokio::test]
async fn input_and_output_wait_for_each_other_without_a_deadlock() {
    let served = Served::new().await;
    let (mut sink, stream) = served.sh("cat", "stdin=1&stdout=1", V5).await.split();
    let n_frames = 128;
    let sending = async {
        let mut frame = vec![7; 65_536];
        frame[0] = 0;
        for _ in 0..n_frames {
            sink.send(Message::Binary(frame.clone().into())).await.expect("sent");
        }
        sink.send(Message::Binary(b"\xff\0".to_vec().into())).await.expect("sent");
    };
    let receiving = stream.fold(0, |n_bytes, message| async move {
        match message.expect("a frame") {
            Message::Binary(frame) if frame[0] == 1 => n_bytes + frame.len() - 1,
            _ => n_bytes,
        }
    });
    let both = async { tokio::join!(sending, receiving).1 };
    let n_bytes = tokio::time::timeout(served::LONG, both).await.expect("both go on");
    assert_eq!(n_bytes, n_frames * 65_535);
}

#[tokio::test]
async fn a_ping_is_answered() {
    let served = Served::new().await;
    let mut client = served.sh("sleep 600", "stdout=1", V5).await;
    client.say(Message::Ping(b"there?".to_vec().into())).await;
    assert_eq!(client.next().await, Some(Message::Pong(b"there?".to_vec().into())));
}

#[tokio::test]
async fn a_client_is_asked_whether_it_is_there_and_left_when_it_is_silent() {
    let served = Served::new().await;
    let mut client = served.sh("echo $$ > pid; exec sleep 600", "stdout=1", V5).await;
    wait_for("the number", || served.read("pid").ends_with('\n')).await;
    let pass = async |seconds| {
        tokio::time::pause();
        tokio::time::advance(std::time::Duration::from_secs(seconds)).await;
        tokio::time::resume();
    };
    pass(6).await;
    assert_eq!(client.next().await, Some(Message::Ping(Vec::new().into())));
    // Nothing is read from here on, so no ping is answered.
    pass(301).await;
    let path = format!("/proc/{}/stat", served.read("pid").trim());
    let is_left = || std::fs::read_to_string(&path).is_ok_and(|stat| !stat.contains(") Z "));
    wait_for("the command's end", || !is_left()).await;
    while let Some(message) = client.next().await {
        assert!(message.is_ping() || message.is_close(), "{message:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_is_said_in_the_kubelets_words() {
    let served = Served::new().await;
    let mut client = served.connect("p/exec?command=none&stdout=1", V5).await;
    let (_, status) = client.end().await;
    assert_eq!((&status["reason"], &status["code"]), (&json!("InternalError"), &json!(500)));
    let message = status["message"].as_str().expect("a message");
    let wanted = "Internal error occurred: error executing command in container: \
                  exec: \"none\": executable file not found in $PATH";
    assert!(message.starts_with(wanted), "{message}");
}

#[tokio::test]
async fn who_attaches_reads_and_writes_until_the_container_ends() {
    let served = Served::new().await;
    let open = StdioPlan { stdin: StdinMode::Open, tty: false };
    let script = "while read a; do [ $a = end ] && exit 5; echo got $a; done";
    served.pod("talks", &[("a", script, open)]).await;
    let mut other = served.connect("talks/attach?stdout=1", V4).await;
    let mut client = served.connect("talks/attach?stdin=1&stdout=1", V5).await;
    client.send(b"\0one\n").await;
    client.until("got one\n").await;
    // Its input is over, the container's is not.
    client.send(b"\xff\0").await;
    assert_eq!(client.end().await.1["status"], "Success");
    let mut client = served.connect("talks/attach?stdin=1&stdout=1", V5).await;
    client.send(b"\0two\nend\n").await;
    let (said, status) = client.end().await;
    assert_eq!((said.stdout.as_slice(), &status["status"]), (&b"got two\n"[..], &json!("Success")));
    assert_eq!(other.end().await.0.stdout, b"got one\ngot two\n");
}

#[tokio::test]
async fn a_server_that_drains_says_so() {
    let served = Served::new().await;
    let mut client = served.sh("echo ready; sleep 600", "stdout=1", V5).await;
    client.until("ready\n").await;
    served.draining.cancel();
    let (_, status) = client.end().await;
    assert_eq!(status["message"], "Internal error occurred: spur is shutting down");
}

#[tokio::test]
async fn a_runtime_may_give_much_at_once() {
    let fake = FakeRuntime::new();
    fake.on_session(Box::new(|_, _, _| {
        let all = (OutputStream::Stdout, vec![b'x'; 3_000_000].into());
        Ok(Session {
            stdin: None,
            output: stream::iter([all]).boxed(),
            size_tx: None,
            exit: std::future::ready(0).boxed(),
            ends_with_stdin: false,
        })
    }));
    let served = Served::over(Arc::new(fake), tempfile::tempdir().expect("a directory")).await;
    let mut client = served.sh("any", "stdout=1", V5).await;
    assert_eq!(client.end().await.0.stdout.len(), 3_000_000);
}
