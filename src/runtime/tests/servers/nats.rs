//! NATS. Debian has no client of it, so a message is sent and received by its text protocol.

use spur_runtime::probe::Protocol;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::world::{Place, command, is_ready, port};

pub(crate) async fn ready() {
    let (place, port) = (Place::new(), port());
    let mut server = command("nats-server");
    server.args(["-a", "127.0.0.1", "-p", &port.get().to_string(), "-js", "-sd"]).arg(place.path("data"));
    let server = place.start(server);
    let (seen, _) = is_ready(Protocol::Nats, port.get(), &server, std::process::Command::new("true")).await;
    assert!(seen.words.starts_with("NATS 2."), "{}", seen.words);
    let mut stream = TcpStream::connect(("127.0.0.1", port.get())).await.unwrap();
    let talk = b"CONNECT {\"verbose\":false}\r\nSUB shop 1\r\nPUB shop 5\r\nhello\r\n";
    stream.write_all(talk).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let mut said = Vec::new();
    while said.last().is_none_or(|line| line != "hello") {
        said.push(lines.next_line().await.unwrap().expect("it goes on"));
    }
    assert_eq!(said[said.len() - 2], "MSG shop 1 5", "{said:?}");
}
