//! The questions of the probe against the real servers: whoever is told ready gets an answer
//! to the first query of the server's own client. Each server has a port, a directory and
//! processes of its own.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

#[path = "../../../../tests/harness/needs.rs"]
mod needs;
mod world;

mod kafka;
mod mariadb;
mod nats;
mod postgres;
mod rabbitmq;
mod redis;

use libtest_mimic::Arguments;
use needs::Need;

fn main() {
    let servers = Need::new("servers", world::why_not());
    let tests = vec![
        servers.trial("redis_answers_when_it_is_ready", redis::ready),
        servers.trial("redis_that_loads_is_not_ready", redis::loading),
        servers.trial("redis_that_wants_a_password_is_ready", redis::password),
        servers.trial("postgres_answers_when_it_is_ready", postgres::ready),
        servers.trial("postgres_that_takes_no_connections_is_not_ready", postgres::standby),
        servers.trial("mariadb_answers_when_it_is_ready", mariadb::ready),
        servers.trial("mariadb_that_lets_nobody_in_says_so", mariadb::nobody),
        servers.trial("rabbitmq_answers_when_it_is_ready", rabbitmq::ready),
        servers.trial("nats_answers_when_it_is_ready", nats::ready),
        servers.trial("kafka_answers_when_it_is_ready", kafka::ready),
    ];
    libtest_mimic::run(&Arguments::from_args(), tests).exit();
}
