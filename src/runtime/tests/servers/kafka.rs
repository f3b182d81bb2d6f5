//! Kafka, in the shape that Debian has: the broker that librdkafka brings for tests.

use spur_runtime::probe::{ProbeResult, Protocol};

use super::world::{Place, ask, command, is_ready};

pub(crate) async fn ready() {
    let place = Place::new();
    let mut server = command("kcat");
    server.args(["-b", "x", "-X", "test.mock.num.brokers=1", "-d", "mock", "-C", "-t", "none"]);
    let server = place.start(server);
    let port = loop {
        let log = place.log();
        let told = log.split("bootstrap.servers=127.0.0.1:").nth(1);
        let digits = told.map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default());
        if let Some(port) = digits.and_then(|digits| digits.parse().ok()) {
            break port;
        }
        assert!(server.started.elapsed().as_secs() < 30, "{log}");
        tokio::task::yield_now().await;
    };
    let mut client = command("kcat");
    client.args(["-b", &format!("127.0.0.1:{port}"), "-L", "-J"]);
    let (seen, answer) = is_ready(Protocol::Kafka, port, &server, client).await;
    assert_eq!(seen.words, format!("1 broker(s), the first at 127.0.0.1:{port}"));
    assert!(answer.contains(&format!("127.0.0.1:{port}")), "{answer}");
    assert!(matches!(ask(Protocol::Redis, port).await, ProbeResult::Failure(_)), "another protocol");
}
