//! MariaDB.

use std::process::Command;

use spur_runtime::probe::{ProbeResult, Protocol};

use super::world::{Place, Server, command, is_ready, output, port, until};

const IS: Protocol = Protocol::Mysql;

/// A MariaDB that starts removes what it takes for its own temporary tables, of whoever they are.
fn alone(program: &str, place: &Place) -> Command {
    let mut command = command(program);
    command.env("TMPDIR", place.path(""));
    command
}

async fn make_data(place: &Place) {
    let mut install = alone("mariadb-install-db", place);
    install.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]);
    install.arg(format!("--datadir={}", place.path("data").display()));
    output(install).await;
}

fn start(place: &Place, port: u16) -> Server {
    let mut server = alone("mariadbd", place);
    server.args(["--no-defaults", "--bind-address=127.0.0.1", "--skip-name-resolve"]);
    server.arg(format!("--port={port}"));
    server.arg(format!("--datadir={}", place.path("data").display()));
    server.arg(format!("--socket={}", place.path("socket").display()));
    place.start(server)
}

/// As root over TCP.
fn client(port: u16, sql: &str) -> Command {
    let mut client = command("mariadb");
    client.args(["--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-u", "root", "-N", "-B"]);
    client.arg(format!("--port={port}")).args(["-e", sql]);
    client
}

pub(crate) async fn ready() {
    let (place, port) = (Place::new(), port());
    make_data(&place).await;
    let server = start(&place, port.get());
    let (_, answer) = is_ready(IS, port.get(), &server, client(port.get(), "select 1")).await;
    assert_eq!(answer, "1\n");
}

pub(crate) async fn nobody() {
    let (place, port) = (Place::new(), port());
    make_data(&place).await;
    let server = start(&place, port.get());
    until((IS, port.get()), &server, ProbeResult::is_success).await;
    output(client(port.get(), "drop user root@'127.0.0.1'")).await;
    let refused = until((IS, port.get()), &server, |found| !found.is_success()).await;
    let ProbeResult::Failure(why) = refused else { unreachable!("it was waited for") };
    let words = "Host '127.0.0.1' is not allowed to connect to this MariaDB server (1130): the server is up, and no user may come from this address";
    assert!(why.contains(words), "{why}");
}
