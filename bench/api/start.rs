//! From the command to the ready line, and what it takes to do nothing.

use std::time::{Duration, Instant};

use crate::figures::{figure, megabytes, millis, quantile};
use crate::harness::Spur;
use crate::process;

const STARTS: usize = 10;

pub(crate) async fn run() {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let start = Instant::now();
        let spur = Spur::up().start().await;
        times.push(start.elapsed());
        spur.end().await;
    }
    times.sort();
    let found = format!("{} .. {}", millis(times[0]), millis(times[STARTS - 1]));
    figure("ready, empty store, fastest and slowest of 10", found, "budget 150 ms; peer 2.5 s");
    figure("ready, empty store, median", millis(quantile(&times, 0.5)), "");
}

/// Memory and processor time of a Spur that nobody asks anything.
pub(crate) async fn idle(watched: Duration) {
    let spur = Spur::up().start().await;
    // What is made at the start is made.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = process::cpu(spur.pid());
    tokio::time::sleep(watched).await;
    let used = process::cpu(spur.pid()) - before;
    let share = 100.0 * used.as_secs_f64() / watched.as_secs_f64();
    figure("idle memory", megabytes(process::resident(spur.pid())), "budget 60 MB; peer 426 MB");
    figure("idle processor, of one core", format!("{share:.2} %"), "budget 0.5 %");
    spur.end().await;
}
