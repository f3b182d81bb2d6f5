//! The client and holders that behave badly.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream as StdStream;

use rustix::net::{AddressFamily, SocketType};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::mpsc::UnboundedSender;

use super::*;
use crate::descriptors;
use crate::protocol::{Reply, line};

/// Each request -- the fake's task --> the test, which answers on the stream when it likes.
struct Fake {
    _folder: tempfile::TempDir,
    requests_rx: mpsc::UnboundedReceiver<(Request, StdStream)>,
    holder: tokio::task::JoinHandle<Result<Holder, ConnectError>>,
}

impl Fake {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("holder.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (requests_tx, requests_rx) = mpsc::unbounded_channel();
        tokio::spawn(hear(listener, requests_tx));
        let holder =
            tokio::spawn(async move { Holder::connect(&path, Interface::Named("lo".to_owned())).await });
        Self { _folder: folder, requests_rx, holder }
    }

    /// With a client that was welcomed.
    async fn welcome(mut self) -> (Holder, mpsc::UnboundedReceiver<(Request, StdStream)>) {
        answer(&self.requests_rx.recv().await.unwrap().1, Outcome::Welcome { version: VERSION }, &[]);
        (self.holder.await.unwrap().unwrap(), self.requests_rx)
    }
}

async fn hear(listener: UnixListener, requests_tx: UnboundedSender<(Request, StdStream)>) {
    let stream = listener.accept().await.unwrap().0.into_std().unwrap();
    let read = tokio::net::UnixStream::from_std(stream.try_clone().unwrap()).unwrap();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let request = serde_json::from_str(&line).unwrap();
        if requests_tx.send((request, stream.try_clone().unwrap())).is_err() {
            return;
        }
    }
}

fn answer(stream: &StdStream, outcome: Outcome, passed: &[OwnedFd]) {
    let reply = Reply { outcome, n_descriptors: passed.len() };
    let passed: Vec<_> = passed.iter().map(AsFd::as_fd).collect();
    descriptors::send(stream, &line(&reply), &passed).unwrap();
}

fn tagged(tag: &str) -> Outcome {
    let held = Held { tag: tag.to_owned(), place: Place::tcp([10, 0, 0, 1].into(), 80) };
    Outcome::Listed { held: vec![held], more: false }
}

#[tokio::test]
async fn another_version_is_named() {
    let mut fake = Fake::new();
    let (request, stream) = fake.requests_rx.recv().await.unwrap();
    assert!(matches!(request, Request::Hello { version: VERSION, .. }), "{request:?}");
    answer(&stream, Outcome::Welcome { version: 7 }, &[]);
    let found = fake.holder.await.unwrap();
    assert!(matches!(found, Err(ConnectError::Version { found: 7, .. })), "{found:?}");
}

#[tokio::test]
async fn an_asker_that_goes_takes_its_answer_along() {
    let (holder, mut requests_rx) = Fake::new().welcome().await;
    let asker = holder.clone();
    let asked = tokio::spawn(async move { asker.list().await });
    let (_, stream) = requests_rx.recv().await.unwrap();
    asked.abort();
    assert!(asked.await.unwrap_err().is_cancelled());
    let next = tokio::spawn(async move { holder.list().await });
    // With a descriptor that nobody takes.
    answer(&stream, tagged("first"), &[stream.try_clone().unwrap().into()]);
    let (_, stream) = requests_rx.recv().await.unwrap();
    answer(&stream, tagged("second"), &[]);
    assert_eq!(next.await.unwrap().unwrap()[0].tag, "second");
}

#[tokio::test(start_paused = true)]
async fn a_holder_that_is_stuck_is_given_up() {
    let (holder, mut requests_rx) = Fake::new().welcome().await;
    let asked = tokio::spawn({
        let holder = holder.clone();
        async move { holder.list().await }
    });
    let _unanswered = requests_rx.recv().await.unwrap();
    let found = asked.await.unwrap();
    assert!(matches!(found, Err(CallError::Late)), "{found:?}");
    holder.gone().await;
    let found = holder.list().await;
    assert!(matches!(found, Err(CallError::Gone)), "{found:?}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_ends_the_connection() {
    let (holder, mut requests_rx) = Fake::new().welcome().await;
    let asked = tokio::spawn({
        let holder = holder.clone();
        async move { holder.list().await }
    });
    let (_, stream) = requests_rx.recv().await.unwrap();
    descriptors::send(&stream, b"what?\n", &[]).unwrap();
    let found = asked.await.unwrap();
    assert!(matches!(found, Err(CallError::Garbled { .. })), "{found:?}");
    holder.gone().await;
}

#[tokio::test]
async fn who_speaks_unasked_is_no_holder() {
    let mut fake = Fake::new();
    let (_, stream) = fake.requests_rx.recv().await.unwrap();
    answer(&stream, Outcome::Welcome { version: VERSION }, &[]);
    let holder = fake.holder.await.unwrap().unwrap();
    answer(&stream, tagged("unasked"), &[]);
    holder.gone().await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_answers_is_given_up() {
    let (holder, mut requests_rx) = Fake::new().welcome().await;
    // With a backlog of none one connection fits, and no SYN after it is answered.
    let full = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&full, &"127.0.0.1:0".parse::<SocketAddrV4>().unwrap()).unwrap();
    rustix::net::listen(&full, 0).unwrap();
    let full = TcpListener::from(full);
    let std::net::SocketAddr::V4(address) = full.local_addr().unwrap() else { unreachable!("it is IPv4") };
    let _fits = std::net::TcpStream::connect(address).unwrap();
    let dialled = tokio::spawn(async move { holder.dial(address, Duration::from_secs(3)).await });
    let (_, stream) = requests_rx.recv().await.unwrap();
    answer(&stream, Outcome::Done, &[crate::sockets::dialled(address).unwrap()]);
    let found = dialled.await.unwrap();
    let Err(CallError::Connect { source, .. }) = found else { panic!("{found:?}") };
    assert_eq!(source.to_string(), "no answer within 3s");
}
