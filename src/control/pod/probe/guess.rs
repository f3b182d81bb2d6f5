//! What a container's ports speak, told by names and well-known numbers. Pure.
//!
//! A wrong guess would keep a good pod from ever being ready, so two hints have to agree
//! where one could mislead: an image speaks its protocol at the port that has its number or
//! its name, and a number alone says nothing. The `appProtocol` of Services is not looked at:
//! it may come and change after the pod has started.

use k8s_openapi::api::core::v1::Container;
use spur_runtime::probe::Protocol;

use crate::pod::ports::tcp_ports;

/// A port and what it seems to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Guess {
    /// The number that the container declares.
    pub(super) port: i32,
    pub(super) protocol: Protocol,
    /// What told it, for people.
    pub(super) by: String,
}

/// What is known of a protocol beside its name.
struct Known {
    protocol: Protocol,
    /// The well-known port, where it has one: IANA's
    /// (<https://www.iana.org/assignments/service-names-port-numbers>), of NATS and Kafka
    /// what their servers take unless told otherwise.
    port: Option<i32>,
    /// Words of port names. `http2`, `grpc`, `redis`, `mongo` and `mysql` are Istio's
    /// (<https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>).
    words: &'static [&'static str],
    /// Last parts of the names of images.
    images: &'static [&'static str],
}

const KNOWN: [Known; 9] = [
    Known {
        protocol: Protocol::Redis,
        port: Some(6379),
        words: &["redis", "valkey", "keydb"],
        images: &["redis", "redis-stack", "redis-stack-server", "valkey", "keydb"],
    },
    Known {
        protocol: Protocol::Postgres,
        port: Some(5432),
        words: &["postgres", "postgresql"],
        images: &["postgres", "postgresql", "postgis", "pgvector"],
    },
    Known {
        protocol: Protocol::Mysql,
        port: Some(3306),
        words: &["mysql", "mariadb"],
        images: &["mysql", "mysql-server", "mariadb"],
    },
    Known {
        protocol: Protocol::Mongodb,
        port: Some(27017),
        words: &["mongo", "mongodb"],
        images: &["mongo", "mongodb", "mongodb-community-server"],
    },
    Known { protocol: Protocol::Amqp, port: Some(5672), words: &["amqp", "rabbitmq"], images: &["rabbitmq"] },
    Known { protocol: Protocol::Nats, port: Some(4222), words: &["nats"], images: &["nats"] },
    Known {
        protocol: Protocol::Kafka,
        port: Some(9092),
        words: &["kafka"],
        images: &["kafka", "kafka-native", "cp-kafka", "confluent-local"],
    },
    // gRPC-Web is commonly HTTP/1.1; any response counts, of HTTP/2 as well.
    Known { protocol: Protocol::Http, port: None, words: &["http", "grpc-web"], images: &[] },
    Known { protocol: Protocol::Http2, port: None, words: &["http2", "h2c", "grpc"], images: &[] },
];

/// Other words with which names of ports begin: what is in TLS is not asked, since it may
/// want a certificate of its clients.
const UNASKED: [&str; 5] = ["https", "tls", "wss", "amqps", "rediss"];

/// The port by which the container is judged: that of its image, else the first that can be
/// guessed.
pub(super) fn guess(container: &Container) -> Option<Guess> {
    let ports = || tcp_ports(container).map(|port| (port.container_port, port.name.as_deref().unwrap_or("")));
    let image = container.image.as_deref().unwrap_or_default();
    let of_image = by_image(image).and_then(|known| {
        let (port, _) = ports().find(|(port, name)| is_of_image(known, (*port, name)))?;
        Some(Guess { port, protocol: known.protocol, by: format!("the image `{image}`") })
    });
    of_image.or_else(|| {
        ports().find_map(|(port, name)| {
            let known = by_name(name, port)?;
            Some(Guess { port, protocol: known.protocol, by: format!("the port's name `{name}`") })
        })
    })
}

/// The protocol of an image: `docker.io/library/postgres:17` is `postgres`.
fn by_image(image: &str) -> Option<&'static Known> {
    let name = image.split('@').next()?;
    let last = name.rsplit('/').next()?;
    let word = last.split(':').next()?;
    KNOWN.iter().find(|known| known.images.contains(&word))
}

/// Whether an image's protocol is spoken at a port: its name says so, or its number does and
/// its name nothing else.
fn is_of_image(known: &Known, (port, name): (i32, &str)) -> bool {
    match by_name(name, port) {
        Some(named) => named.protocol == known.protocol,
        None => known.port == Some(port) && !UNASKED.contains(&first_word(plain(name))),
    }
}

/// The protocol that a port's name says, `<protocol>[-<suffix>]` as with Istio, with `tcp-` in
/// front or without. A suffix may mean anything (`redis-exporter` speaks HTTP), so one is
/// taken only where the number is the protocol's own; for HTTP it changes nothing.
fn by_name(name: &str, port: i32) -> Option<&'static Known> {
    let plain = plain(name);
    let exact = KNOWN.iter().find(|known| known.words.contains(&plain));
    exact.or_else(|| {
        let is_prefix = |word: &&str| plain.strip_prefix(*word).is_some_and(|rest| rest.starts_with('-'));
        let is_so =
            |known: &&Known| known.words.iter().any(is_prefix) && known.port.is_none_or(|own| own == port);
        KNOWN.iter().find(is_so)
    })
}

/// A name without the `tcp-` that tells Istio not to look inside.
fn plain(name: &str) -> &str {
    name.strip_prefix("tcp-").unwrap_or(name)
}

fn first_word(name: &str) -> &str {
    name.split('-').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// `protocol port` of a container with this image and these ports (`number`, or `name/number`).
    fn check(image: &str, ports: &[&str], wanted: &str) {
        let port = |port: &&str| -> Value {
            let (name, number) = port.split_once('/').unwrap_or(("", port));
            let number: i32 = number.parse().unwrap();
            match name {
                "" => json!({"containerPort": number}),
                _ => json!({"containerPort": number, "name": name}),
            }
        };
        let ports: Vec<Value> = ports.iter().map(port).collect();
        let container = json!({"name": "a", "image": image, "ports": ports});
        let found = guess(&serde_json::from_value(container).unwrap());
        let found = found.map(|guess| format!("{} {}", guess.protocol, guess.port)).unwrap_or_default();
        assert_eq!(found, wanted, "{image} {ports:?}");
    }

    #[test]
    fn an_image_tells_the_protocol_of_its_port() {
        for image in [
            "postgres",
            "postgres:17",
            "docker.io/library/postgres:17-alpine",
            "localhost:5000/postgres",
            "registry.test:443/db/postgres@sha256:0123",
        ] {
            check(image, &["5432"], "PostgreSQL 5432");
        }
        check("redis", &["6379"], "Redis 6379");
        check("valkey/valkey:9.0", &["6379"], "Redis 6379");
        check("mysql:9", &["3306", "33060"], "MySQL 3306");
        check("mariadb", &["db/3306"], "MySQL 3306");
        check("rabbitmq:4-management", &["http/15672", "5672"], "AMQP 5672");
        check("nats", &["8222", "client/4222"], "NATS 4222");
        check("apache/kafka", &["9092"], "Kafka 9092");
        check("mongo", &["27017"], "MongoDB 27017");
        check("postgres", &["postgres/6000"], "PostgreSQL 6000");
    }

    #[test]
    fn a_name_tells_the_protocol_as_with_istio() {
        check("", &["http/8080"], "HTTP 8080");
        check("shop", &["http-admin/9090"], "HTTP 9090");
        check("", &["grpc/9000"], "HTTP/2 9000");
        check("", &["grpc-api/9000"], "HTTP/2 9000");
        check("", &["http2/9000"], "HTTP/2 9000");
        check("", &["grpc-web/9000"], "HTTP 9000");
        check("", &["redis/7000"], "Redis 7000");
        check("", &["tcp-redis/6379"], "Redis 6379");
        check("", &["redis-cache/6379"], "Redis 6379");
        check("", &["mongo/27017"], "MongoDB 27017");
        check("", &["mysql/3306"], "MySQL 3306");
        check("", &["metrics/9090", "http/8080"], "HTTP 8080");
    }

    #[test]
    fn what_one_hint_alone_could_get_wrong_is_not_guessed() {
        check("", &["6379"], "");
        check("shop", &["8080"], "");
        check("", &["web/80"], "");
        check("", &["redis-exporter/9121"], "");
        check("oliver006/redis_exporter", &["9121"], "");
        check("prom/mysqld-exporter", &["metrics/9104"], "");
        check("", &["https/443"], "");
        check("", &["tls-redis/6379"], "");
        check("redis", &["tls-redis/6379"], "");
        check("redis", &["7000"], "");
        check("redis", &["sentinel/26379"], "");
        check("nats", &["8222"], "");
        check("postgres", &[], "");
        check("", &["httpish/80"], "");
    }

    #[test]
    fn udp_is_not_asked() {
        let container =
            json!({"name": "a", "ports": [{"containerPort": 443, "name": "http", "protocol": "UDP"}]});
        assert_eq!(guess(&serde_json::from_value(container).unwrap()), None);
    }

    #[test]
    fn every_protocol_can_be_guessed() {
        for protocol in Protocol::ALL {
            assert!(KNOWN.iter().any(|known| known.protocol == protocol), "{protocol}");
        }
    }
}
