//! Whether a server speaks its protocol: the question that tells a database which
//! answers from one that has merely opened its port.
//!
//! Between the two lie a second for PostgreSQL, five for MariaDB and seven for RabbitMQ
//! (measured from the first TCP connection with Debian 13's packages in containers on two
//! cores, 2026-11). No password is needed: each protocol says something before it asks
//! for one.

use std::fmt;
use std::time::Duration;

use spur_net::Dial;

use super::exchange::Exchange;
use super::tcp::join;
use super::{ProbeResult, amqp, any_http, http2, kafka, mongodb, mysql, nats, postgres, redis};

/// What a port speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Redis, and what speaks as Redis does: Valkey, KeyDB.
    Redis,
    /// PostgreSQL.
    Postgres,
    /// MySQL and MariaDB.
    Mysql,
    /// MongoDB.
    Mongodb,
    /// AMQP 0-9-1: RabbitMQ.
    Amqp,
    /// NATS.
    Nats,
    /// Kafka.
    Kafka,
    /// HTTP without TLS, of any version and with any answer.
    Http,
    /// HTTP/2 without TLS and with prior knowledge: gRPC.
    Http2,
}

// === impl Protocol ===

impl Protocol {
    /// Every protocol, for tests and tables.
    pub const ALL: [Self; 9] = [
        Self::Redis,
        Self::Postgres,
        Self::Mysql,
        Self::Mongodb,
        Self::Amqp,
        Self::Nats,
        Self::Kafka,
        Self::Http,
        Self::Http2,
    ];
}

impl fmt::Display for Protocol {
    /// As people name it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Redis => "Redis",
            Self::Amqp => "AMQP",
            Self::Nats => "NATS",
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
            Self::Mongodb => "MongoDB",
            Self::Kafka => "Kafka",
            Self::Http => "HTTP",
            Self::Http2 => "HTTP/2",
        })
    }
}

/// Asks once. The words say what was seen: of a success the version where the server tells
/// it, of a failure the server's own reason.
pub async fn speaks(
    dial: &Dial,
    protocol: Protocol,
    (host, port): (&str, u16),
    timeout: Duration,
) -> ProbeResult {
    match tokio::time::timeout(timeout, ask(dial, protocol, (host, port))).await {
        Ok(Ok(seen)) => ProbeResult::Success(seen),
        Ok(Err(why)) => ProbeResult::Failure(why),
        Err(_) => {
            let target = join(host, port);
            ProbeResult::Failure(format!("{protocol} on {target}: no answer within {timeout:?}"))
        }
    }
}

async fn ask(dial: &Dial, protocol: Protocol, (host, port): (&str, u16)) -> Result<String, String> {
    let mut server = Exchange::open(dial, host, port).await?;
    let answer = match protocol {
        Protocol::Redis => redis::ask(&mut server).await,
        Protocol::Amqp => amqp::ask(&mut server).await,
        Protocol::Nats => nats::ask(&mut server).await,
        Protocol::Postgres => postgres::ask(&mut server).await,
        Protocol::Mysql => mysql::ask(&mut server).await,
        Protocol::Mongodb => mongodb::ask(&mut server).await,
        Protocol::Kafka => kafka::ask(&mut server).await,
        Protocol::Http => any_http::ask(&mut server, &join(host, port)).await,
        Protocol::Http2 => http2::ask(&mut server).await,
    };
    match answer {
        Ok(seen) => {
            // Half closed would mean given up to servers of HTTP, which end by themselves.
            if protocol == Protocol::Http {
                server.finish().await;
            } else {
                server.leave().await;
            }
            Ok(seen)
        }
        Err(why) => Err(format!("{protocol} on {}: {why}", join(host, port))),
    }
}
