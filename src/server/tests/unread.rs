//! What a client hears on a connection whose request was answered before its body was read.

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::streams::served::{LONG, Served};

const MIB: usize = 1 << 20;

async fn connect(served: &Served) -> TcpStream {
    TcpStream::connect(served.address()).await.expect("a connection")
}

/// The head of a write of this many bytes that no handler reads: its path is wrong, or its body
/// too large.
fn head(path: &str, length: usize, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n{more}\r\n")
}

/// The next answer: its status, and whether it says that the connection ends. The body, whose
/// length is told, is read and left out.
async fn answer(stream: &mut TcpStream) -> (StatusCode, bool) {
    let read = async {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("an answer"));
        }
        let head = String::from_utf8(head).expect("text").to_ascii_lowercase();
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        let length = field("content-length: ").expect("a length").parse().expect("a number");
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await.expect("the body");
        (head[9..12].parse().expect("a status"), field("connection: ") == Some("close"))
    };
    tokio::time::timeout(LONG, read).await.expect("an answer in time")
}

/// A short rest is read, and the next request of the connection is answered.
#[tokio::test]
async fn a_short_rest_is_read_and_the_connection_goes_on() {
    let served = Served::new().await;
    let mut stream = connect(&served).await;
    for _ in 0..3 {
        stream.write_all(head("/nothing/here", 200_000, "").as_bytes()).await.expect("written");
        stream.write_all(&vec![b'x'; 200_000]).await.expect("written");
        assert_eq!(answer(&mut stream).await, (StatusCode::NOT_FOUND, false));
    }
}

/// A client that sends its whole body first, as Python's, reads the answer and hears that the
/// connection ends. (It used to find out by sending its next request.)
#[tokio::test]
async fn after_a_long_rest_the_client_is_told_that_the_connection_ends() {
    let served = Served::new().await;
    let too_large = "/api/v1/namespaces/default/configmaps";
    for (path, status) in
        [("/nothing/here", StatusCode::NOT_FOUND), (too_large, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let mut stream = connect(&served).await;
        stream.write_all(head(path, 5 * MIB, "").as_bytes()).await.expect("written");
        stream.write_all(&vec![b'x'; 5 * MIB]).await.expect("written");
        assert_eq!(answer(&mut stream).await, (status, true), "{path}");
    }
}

/// Who waits for `100 Continue` is not asked for a body that nobody wants.
#[tokio::test]
async fn a_body_that_is_held_back_is_not_asked_for() {
    let served = Served::new().await;
    let mut stream = connect(&served).await;
    let head = head("/nothing/here", 10, "expect: 100-continue\r\n");
    stream.write_all(head.as_bytes()).await.expect("written");
    assert_eq!(answer(&mut stream).await, (StatusCode::NOT_FOUND, true));
}

/// A client that stops sending gets its answer all the same.
#[tokio::test]
async fn a_rest_that_does_not_come_holds_up_no_answer() {
    let served = Served::new().await;
    let mut stream = connect(&served).await;
    stream.write_all(head("/nothing/here", 1_000, "").as_bytes()).await.expect("written");
    assert_eq!(answer(&mut stream).await, (StatusCode::NOT_FOUND, true));
}

/// Over HTTP/2 the stream is reset when the answer is out, and with `NO_ERROR` (RFC 9113 8.1), as Go
/// does it. (curl before 8 takes any reset for the end of its request, here and there.)
#[tokio::test]
async fn over_http2_a_client_that_still_sends_is_not_cut_off() {
    let served = Served::new().await;
    let (mut sender, connection) = h2::client::handshake(connect(&served).await).await.expect("HTTP/2");
    tokio::spawn(connection);
    let too_large = "/api/v1/namespaces/default/configmaps";
    for (path, status) in
        [("/nothing/here", StatusCode::NOT_FOUND), (too_large, StatusCode::PAYLOAD_TOO_LARGE)]
    {
        let request = Request::post(format!("http://localhost{path}")).body(()).expect("a request");
        let (answer, mut body) = sender.send_request(request, false).expect("sent");
        body.send_data(Bytes::from(vec![b'x'; 5 * MIB]), false).expect("sent");
        let asked = tokio::time::timeout(LONG, answer).await.expect("an answer in time");
        assert_eq!(asked.expect("an answer").status(), status, "{path}");
        let reset = tokio::time::timeout(LONG, std::future::poll_fn(|cx| body.poll_reset(cx)));
        assert_eq!(reset.await.expect("a reset in time").expect("a reset"), h2::Reason::NO_ERROR, "{path}");
    }
}
