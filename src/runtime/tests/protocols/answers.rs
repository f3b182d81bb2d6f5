//! What servers say: when they are ready, and while they are not.

use spur_runtime::probe::Protocol;

use super::{ready, unready};

/// Each protocol's right answer, and the words for it.
pub(crate) fn good() -> Vec<(Protocol, Vec<u8>, &'static str)> {
    vec![
        (Protocol::Redis, b"+PONG\r\n".to_vec(), "PONG"),
        (Protocol::Postgres, b"R\0\0\0\x08\0\0\0\0".to_vec(), "it asks to authenticate"),
        (Protocol::Mysql, greeting("5.5.5-10.11.19-MariaDB"), "version 10.11.19-MariaDB"),
        (Protocol::Mongodb, hello(&[("isWritablePrimary", true)]), "writable primary"),
        (Protocol::Amqp, start(), "AMQP 0-9: Connection.Start"),
        (Protocol::Nats, b"INFO {\"version\":\"2.9.10\",\"port\":4222}\r\n".to_vec(), "NATS 2.9.10"),
        (Protocol::Kafka, kafka(&[("kafka.test", 9092)]), "1 broker(s), the first at kafka.test:9092"),
        (Protocol::Http, b"HTTP/1.1 200 OK\r\n".to_vec(), "HTTP/1.1 200 OK"),
        (Protocol::Http2, b"\0\0\x06\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec(), "HTTP/2"),
    ]
}

/// A greeting of protocol 10, as it was recorded from MariaDB 10.11, with this version.
pub(crate) fn greeting(version: &str) -> Vec<u8> {
    let mut payload = b"\x0a".to_vec();
    payload.extend(version.as_bytes());
    payload.extend(b"\0\x1f\0\0\0abcdefgh\0\xfe\xf7\x2d\x02\0\xff\x81\x15\0\0\0\0\0\0\x1d\0\0\0");
    payload.extend(b"ijklmnopqrst\0mysql_native_password\0");
    packet(&payload)
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![u8::try_from(payload.len()).unwrap(), 0, 0, 0];
    packet.extend(payload);
    packet
}

/// An answer to `hello` with these fields, of a member of set `rs` where it is a member.
fn hello(fields: &[(&str, bool)]) -> Vec<u8> {
    let mut body = Vec::new();
    let field = |body: &mut Vec<u8>, kind: u8, name: &str, value: &[u8]| {
        body.push(kind);
        body.extend(name.as_bytes());
        body.push(0);
        body.extend(value);
    };
    // What an answer has beside: a nested document, a date, a binary, an object id, numbers.
    field(&mut body, 3, "topologyVersion", b"\x05\0\0\0\0");
    field(&mut body, 9, "localTime", &[1; 8]);
    field(&mut body, 5, "hash", b"\x02\0\0\0\0ab");
    field(&mut body, 7, "id", &[7; 12]);
    field(&mut body, 16, "maxWireVersion", &[21, 0, 0, 0]);
    for (name, value) in fields {
        field(&mut body, 8, name, &[u8::from(*value)]);
    }
    if fields.iter().any(|(name, _)| *name == "secondary") {
        field(&mut body, 2, "setName", b"\x03\0\0\0rs\0");
    }
    field(&mut body, 1, "ok", &1.0_f64.to_le_bytes());
    document(&body)
}

fn document(fields: &[u8]) -> Vec<u8> {
    let length = u32::try_from(fields.len() + 5).unwrap();
    let mut message = (length + 21).to_le_bytes().to_vec();
    message.extend(b"\x09\0\0\0\x01\0\0\0\xdd\x07\0\0\0\0\0\0\0");
    message.extend(length.to_le_bytes());
    message.extend(fields);
    message.push(0);
    message
}

/// `Connection.Start` without properties.
fn start() -> Vec<u8> {
    let payload = b"\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US";
    let mut frame = vec![1, 0, 0, 0, 0, 0, u8::try_from(payload.len()).unwrap()];
    frame.extend(payload);
    frame.push(0xce);
    frame
}

/// The answers to `ApiVersions` and to `Metadata` in version 1.
fn kafka(brokers: &[(&str, i32)]) -> Vec<u8> {
    kafka_speaking((0, 12), &metadata(&[], brokers))
}

fn kafka_speaking((min, max): (i16, i16), metadata: &[u8]) -> Vec<u8> {
    let mut versions = b"\0\0\0\0\0\x02\0\x12\0\0\0\x03\0\x03".to_vec();
    versions.extend(min.to_be_bytes());
    versions.extend(max.to_be_bytes());
    [answer(1, &versions), answer(2, metadata)].concat()
}

fn metadata(before: &[u8], brokers: &[(&str, i32)]) -> Vec<u8> {
    let mut body = before.to_vec();
    body.extend(i32::try_from(brokers.len()).unwrap().to_be_bytes());
    for (host, port) in brokers {
        body.extend(b"\0\0\0\x01");
        body.extend(i16::try_from(host.len()).unwrap().to_be_bytes());
        body.extend(host.as_bytes());
        body.extend(port.to_be_bytes());
        body.extend(b"\xff\xff");
    }
    body.extend(b"\0\0\0\x01\0\0\0\0");
    body
}

fn answer(correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut answer = i32::try_from(body.len() + 4).unwrap().to_be_bytes().to_vec();
    answer.extend(correlation.to_be_bytes());
    answer.extend(body);
    answer
}

#[tokio::test]
async fn what_answers_is_ready() {
    let good = good();
    for protocol in Protocol::ALL {
        let (_, answer, words) = good.iter().find(|(of, ..)| *of == protocol).expect("every protocol");
        ready(protocol, answer, words).await;
    }
}

#[tokio::test]
async fn redis_wants_a_password_or_loads() {
    let is = Protocol::Redis;
    ready(is, b"-NOAUTH Authentication required.\r\n", "NOAUTH Authentication required.").await;
    let acl = "NOPERM this user has no permissions to run the 'ping' command";
    ready(is, format!("-{acl}\r\n").as_bytes(), acl).await;
    let loading = "LOADING Redis is loading the dataset in memory";
    unready(is, format!("-{loading}\r\n").as_bytes(), loading).await;
    unready(is, b"-ERR max number of clients reached\r\n", "ERR max number of clients reached").await;
    unready(is, b"+PONGO\r\n", r#"wanted PONG, found "+PONGO""#).await;
    unready(is, b"", "it closed the connection without an answer").await;
}

fn postgres_error(code: &str, text: &str) -> Vec<u8> {
    let body = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0Fpostmaster.c\0L2382\0RProcessStartupPacket\0\0");
    let mut message = b"E".to_vec();
    message.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    message.extend(body.as_bytes());
    message
}

#[tokio::test]
async fn postgres_starts_or_does_not_know_us() {
    let is = Protocol::Postgres;
    for (code, text) in [
        ("57P03", "the database system is starting up"),
        ("57P03", "the database system is not accepting connections"),
        ("53300", "sorry, too many clients already"),
    ] {
        unready(is, &postgres_error(code, text), &format!("FATAL: {text} ({code})")).await;
    }
    for (code, text) in
        [("28000", "role \"postgres\" does not exist"), ("3D000", "database \"postgres\" does not exist")]
    {
        ready(is, &postgres_error(code, text), &format!("FATAL: {text} ({code})")).await;
    }
    let scram = b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0";
    ready(is, scram, "it asks to authenticate").await;
    unready(is, b"HTTP/1.1 400 Bad Request\r\n", r#"wanted an authentication request, found "HTTP/""#).await;
}

#[tokio::test]
async fn mysql_refuses_in_its_own_words() {
    let is = Protocol::Mysql;
    let text = "Host '172.17.0.1' is not allowed to connect to this MariaDB server";
    let hint =
        "the server is up, and no user may come from this address; grant one, as with `CREATE USER app@'%'`";
    let refused = packet(&[b"\xff\x6a\x04", text.as_bytes()].concat());
    unready(is, &refused, &format!("{text} (1130): {hint}")).await;
    unready(is, &packet(b"\xff\x10\x04#08004Too many connections"), "Too many connections (1040)").await;
    unready(is, b"", "it closed the connection without an answer").await;
}

#[tokio::test]
async fn mongodb_says_its_role() {
    let is = Protocol::Mongodb;
    let member = |primary, secondary| hello(&[("isWritablePrimary", primary), ("secondary", secondary)]);
    ready(is, &member(true, false), "writable primary of replica set `rs`").await;
    ready(is, &member(false, true), "secondary of replica set `rs`").await;
    let starts = "neither primary nor secondary of replica set `rs`: it starts or recovers";
    unready(is, &member(false, false), starts).await;
    let lonely = hello(&[("isWritablePrimary", false), ("isreplicaset", true)]);
    let why = "the replica set is not initiated: run `rs.initiate()` in this server";
    unready(is, &lonely, why).await;
    let fails = b"\x01ok\0\0\0\0\0\0\0\0\0\x02errmsg\0\x05\0\0\0nope\0";
    unready(is, &document(fails), "hello fails: nope").await;
}

#[tokio::test]
async fn rabbitmq_closes_while_it_starts_and_others_speak_other_versions() {
    let is = Protocol::Amqp;
    unready(is, b"", "it closed the connection without an answer").await;
    ready(is, b"AMQP\x03\x01\0\0", "it speaks AMQP 1.0.0").await;
    unready(is, b"HTTP/1.1", r#"wanted Connection.Start, found "HTTP/1.""#).await;
}

#[tokio::test]
async fn nats_tells_when_it_leaves() {
    let is = Protocol::Nats;
    unready(is, b"INFO {\"ldm\":true}\r\n", "it is in lame duck mode: it is shutting down").await;
    unready(is, b"INFO nope\r\n", r#"INFO is no JSON: "nope""#).await;
    unready(is, b"+PONG\r\n", r#"wanted INFO, found "+PONG""#).await;
}

#[tokio::test]
async fn kafka_has_to_know_a_broker() {
    let is = Protocol::Kafka;
    unready(is, &kafka(&[]), "no broker has joined the cluster yet").await;
    let brokers = [("a", 1), ("b", 2)];
    let throttled = metadata(&[0; 4], &brokers);
    ready(is, &kafka_speaking((8, 13), &throttled), "2 broker(s), the first at a:1").await;
    let later = "Metadata of versions 9 to 13 is not supported";
    unready(is, &kafka_speaking((9, 13), &throttled), later).await;
}

#[tokio::test]
async fn any_response_of_http_counts() {
    let is = Protocol::Http;
    for line in ["HTTP/1.1 404 Not Found", "HTTP/1.0 500 Oh", "HTTP/1.1 503"] {
        ready(is, format!("{line}\r\nx: y\r\n\r\n").as_bytes(), line).await;
    }
    ready(is, b"\0\0\0\x04\0\0\0\0\0", "HTTP/2").await;
    unready(is, b"+OK this is no web server\r\n", r#"wanted an HTTP response, found "+OK this ""#).await;
    let alert = b"\x15\x03\x01\0\x02\x02\x46\0\0";
    let why = r#"wanted an HTTP response, found "\x15\x03\x01\x00\x02\x02F\x00\x00": it speaks TLS; give `httpGet` with `scheme: HTTPS`"#;
    unready(is, alert, why).await;
}

#[tokio::test]
async fn grpc_begins_with_settings() {
    let is = Protocol::Http2;
    unready(is, b"HTTP/1.1 400 Bad Request\r\n\r\n", r#"wanted SETTINGS of HTTP/2, found "HTTP/1.1 ""#).await;
    let acknowledgement = b"\0\0\0\x04\x01\0\0\0\0";
    let why = r#"wanted SETTINGS of HTTP/2, found "\x00\x00\x00\x04\x01\x00\x00\x00\x00""#;
    unready(is, acknowledgement, why).await;
}
