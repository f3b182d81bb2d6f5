//! Frame times under 50,000 hops a second at 200x60, beside the budget of 4 ms, and that an idle
//! interface draws nothing: `cargo run -p spur-tui --release --example frames`.

use std::time::Duration;

use spur_tui::measure::{Flood, measure};

/// What a frame may take at the 99th of 100: 4 ms leave room at 60 frames a second.
const BUDGET: Duration = Duration::from_millis(4);

fn main() -> anyhow::Result<()> {
    println!("50,000 hops/s for 20 s, drawn 15 times a second at 200x60");
    for filter in ["", "svc:checkout status:200 dur>1ms", r"path~\d+ | {svc:pay status:5xx}"] {
        let flood = Flood { size: (200, 60), hops_per_second: 50_000, seconds: 20, filter };
        let measured = measure(flood)?;
        let at = |sorted: &[Duration], share: f64| {
            // A place in a list of some hundreds.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share of a length"
            )]
            let place = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
            sorted.get(place).copied().unwrap_or_default()
        };
        let name = if filter.is_empty() { "(no filter)" } else { filter };
        println!("{name}");
        let (p50, p99) = (at(&measured.frames, 0.5), at(&measured.frames, 0.99));
        let word = if p99 <= BUDGET { "within" } else { "OVER" };
        println!("  draw     p50 {p50:>9.2?}  p99 {p99:>9.2?}  {word} {BUDGET:?}");
        let (p50, p99) = (at(&measured.taken_in, 0.5), at(&measured.taken_in, 0.99));
        println!("  take in  p50 {p50:>9.2?}  p99 {p99:>9.2?}  (of each frame's 66 ms)");
        let busy: Duration = measured.frames.iter().chain(&measured.taken_in).sum();
        println!("  together {:.1} % of one core", busy.as_secs_f64() / 20.0 * 100.0);
        println!("  written  {} KiB/s", measured.n_bytes / 20 / 1024);
        println!("  idle     {} frames in 60 s", measured.n_idle_frames);
    }
    Ok(())
}
