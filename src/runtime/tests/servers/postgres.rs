//! PostgreSQL.

use std::process::Command;

use spur_runtime::probe::{ProbeResult, Protocol};

use super::world::{Place, Server, ask, command, is_ready, output, port, postgres_dir, until};

const IS: Protocol = Protocol::Postgres;

fn program(name: &str) -> Command {
    command(postgres_dir().expect("the need was checked").join(name))
}

async fn make_data(place: &Place) {
    let mut initdb = program("initdb");
    initdb.args(["--username=app", "--auth=trust", "--no-sync", "-D"]).arg(place.path("data"));
    output(initdb).await;
}

fn start(place: &Place, port: u16, args: &[&str]) -> Server {
    let mut server = program("postgres");
    server.arg("-D").arg(place.path("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k", ""]);
    place.start({
        server.args(args);
        server
    })
}

fn client(port: u16) -> Command {
    let mut client = command("psql");
    client.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "app", "-Atc", "select 1", "postgres"]);
    client
}

pub(crate) async fn ready() {
    let (place, port) = (Place::new(), port());
    make_data(&place).await;
    // After this it has to recover first.
    let server = start(&place, port.get(), &[]);
    until((IS, port.get()), &server, ProbeResult::is_success).await;
    server.abort();
    let server = start(&place, port.get(), &[]);
    let (_, answer) = is_ready(IS, port.get(), &server, client(port.get())).await;
    assert_eq!(answer, "1\n");
}

/// A server that waits for what it is to replay says what one says that starts.
pub(crate) async fn standby() {
    let (place, port) = (Place::new(), port());
    make_data(&place).await;
    place.touch("data/standby.signal");
    let server = start(&place, port.get(), &["-c", "hot_standby=off"]);
    let refused = until((IS, port.get()), &server, |found| match found {
        ProbeResult::Failure(why) => why.contains("not accepting connections"),
        ProbeResult::Success(_) => panic!("it is ready without having recovered"),
    })
    .await;
    let words = format!(
        "PostgreSQL on 127.0.0.1:{}: FATAL: the database system is not accepting connections (57P03)",
        port.get()
    );
    assert_eq!(refused, ProbeResult::Failure(words));
    let mut promote = program("pg_ctl");
    promote.args(["promote", "--no-wait", "-D"]).arg(place.path("data"));
    output(promote).await;
    let (_, answer) = is_ready(IS, port.get(), &server, client(port.get())).await;
    assert_eq!(answer, "1\n");
    assert!(ask(IS, port.get()).await.is_success());
    // Who looks in leaves nothing behind that looks like a fault of a client.
    let log = place.log();
    for fault in ["unexpected EOF", "could not receive data", "invalid length", "invalid startup packet"] {
        assert!(!log.contains(fault), "{log}");
    }
}
