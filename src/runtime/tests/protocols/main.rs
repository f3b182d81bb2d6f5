//! Whether a server speaks its protocol, against scripts of what each may say: what is right,
//! what it says while it starts, and what no server should say.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails, also in what tests share")]

mod answers;
mod hostile;
mod script;

use std::time::Duration;

use spur_net::Dial;
use spur_runtime::probe::{ProbeResult, Protocol, speaks};

use self::script::Script;

/// Far above what a loopback answer takes, so that only a fault reaches it.
const LONG: Duration = Duration::from_secs(10);

/// What a probe makes of a server that says this and nothing else.
async fn ask(protocol: Protocol, script: Script) -> ProbeResult {
    let port = script.serve().await;
    match speaks(&Dial::default(), protocol, ("127.0.0.1", port), LONG).await {
        // The port is another one each time.
        ProbeResult::Failure(why) => ProbeResult::Failure(why.replace(&port.to_string(), "PORT")),
        success => success,
    }
}

async fn ready(protocol: Protocol, answer: &[u8], words: &str) {
    let found = ask(protocol, Script::says(answer)).await;
    assert_eq!(found, ProbeResult::Success(words.into()), "{protocol}: {}", answer.escape_ascii());
}

async fn unready(protocol: Protocol, answer: &[u8], words: &str) {
    let found = ask(protocol, Script::says(answer)).await;
    let words = format!("{protocol} on 127.0.0.1:PORT: {words}");
    assert_eq!(found, ProbeResult::Failure(words), "{}", answer.escape_ascii());
}
