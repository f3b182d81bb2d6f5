//! Redis.

use std::process::Command;

use spur_runtime::probe::{ProbeResult, Protocol};

use super::world::{Place, command, is_ready, output, port, until};

const IS: Protocol = Protocol::Redis;

fn server(port: u16, args: &[&str]) -> Command {
    let mut server = command("redis-server");
    server.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]).args(args);
    server
}

fn client(port: u16, args: &[&str]) -> Command {
    let mut client = command("redis-cli");
    client.args(["-e", "-p", &port.to_string()]).args(args);
    client
}

pub(crate) async fn ready() {
    let (place, port) = (Place::new(), port());
    let server = place.start(server(port.get(), &["--save", ""]));
    let (_, answer) = is_ready(IS, port.get(), &server, client(port.get(), &["ping"])).await;
    assert_eq!(answer, "PONG\n");
}

pub(crate) async fn password() {
    let (place, port) = (Place::new(), port());
    let server = place.start(server(port.get(), &["--save", "", "--requirepass", "secret"]));
    let client = client(port.get(), &["--no-auth-warning", "-a", "secret", "ping"]);
    let (seen, answer) = is_ready(IS, port.get(), &server, client).await;
    assert_eq!(seen.words, "NOAUTH Authentication required.");
    assert_eq!(answer, "PONG\n");
}

/// Each of 3000 keys takes half a millisecond to load, as the server's own tests have it.
pub(crate) async fn loading() {
    let (place, port) = (Place::new(), port());
    {
        let server = place.start(server(port.get(), &["--enable-debug-command", "yes"]));
        until((IS, port.get()), &server, ProbeResult::is_success).await;
        output(client(port.get(), &["debug", "populate", "3000"])).await;
        output(client(port.get(), &["save"])).await;
    }
    let slow = ["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"];
    let server = place.start(server(port.get(), &slow));
    let (seen, answer) = is_ready(IS, port.get(), &server, client(port.get(), &["dbsize"])).await;
    let loads = |why: &String| why.ends_with("LOADING Redis is loading the dataset in memory");
    assert!(seen.failures.iter().any(loads), "{:?}", seen.failures);
    assert_eq!(answer, "3000\n");
}
