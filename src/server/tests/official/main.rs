//! What is served, compared with what a Kubernetes 1.36 API server serves: every
//! entry of discovery and of the OpenAPI documents, in both directions.
//!
//! The official documents are no part of the project. They are read from
//! `../shared/data` beside the repository; where that is absent every test is
//! reported as ignored, with that reason, and with `SPUR_REQUIRE=official` fails.

#![expect(clippy::unwrap_used, reason = "a test without the test harness")]

mod allowed;
mod discovery;
mod documents;
mod operations;
mod schemas;
mod served;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::allowed::Allowed;
use crate::documents::Documents;
use crate::served::Served;

/// What `SPUR_REQUIRE` calls it.
const NEED: &str = "official";

/// What a comparison has found.
#[derive(Default)]
struct Comparison {
    n_compared: usize,
    differences: Vec<Difference>,
}

/// A place where what is served is not what is official.
struct Difference {
    /// `io.k8s.api.core.v1.Pod.spec type`, or `apps/v1 deployments verbs`.
    place: String,
    served: String,
    official: String,
}

type Compare = fn(&Served, &Documents) -> Comparison;

const ALL: &[(&str, Compare, &[Allowed])] = &[
    ("schemas_are_the_official_ones", schemas::compare, allowed::SCHEMAS),
    ("discovery_is_the_official_one", discovery::compare, allowed::DISCOVERY),
    ("operations_are_the_official_ones", operations::compare, allowed::OPERATIONS),
];

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let is_required =
        std::env::var("SPUR_REQUIRE").is_ok_and(|needs| needs.split(',').any(|need| need == NEED));
    let absent = documents::absent();
    let trials = ALL.iter().map(|(name, compare, allowed)| match &absent {
        None => Trial::test(*name, || check(compare(&Served::read(), &Documents::read()), allowed)),
        Some(why) if is_required => {
            let why = format!("SPUR_REQUIRE asks for the official documents, and {why}");
            Trial::test(*name, move || Err(why.into()))
        }
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), || Ok(())).with_ignored_flag(true),
    });
    libtest_mimic::run(&args, trials.collect()).exit_code()
}

/// Every difference has a reason, and every reason a difference.
fn check(found: Comparison, allowed: &[Allowed]) -> Result<(), Failed> {
    let Comparison { n_compared, differences } = found;
    let mut faults = Vec::new();
    let mut by_reason: Vec<Vec<&Difference>> = allowed.iter().map(|_| Vec::new()).collect();
    for difference in &differences {
        match allowed.iter().position(|allowed| allowed.covers(&difference.place)) {
            Some(index) => by_reason[index].push(difference),
            None => faults.push(difference.to_string()),
        }
    }
    println!(
        "{n_compared} entries compared, {} differ: {} for a reason, {} without one",
        differences.len(),
        differences.len() - faults.len(),
        faults.len()
    );
    for (allowed, differences) in allowed.iter().zip(by_reason) {
        let Allowed { place, reason } = allowed;
        match differences.as_slice() {
            [] => faults.push(format!("`{place}` is allowed to differ and does not")),
            [only] => println!("  {only} ({reason})"),
            [first, ..] => println!("  {place}: {} such as {first} ({reason})", differences.len()),
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

// === impl Difference ===

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, served, official } = self;
        write!(f, "{place}: served {served}, official {official}")
    }
}

// === impl Comparison ===

impl Comparison {
    fn entry<T: PartialEq + std::fmt::Debug>(&mut self, place: String, served: T, official: T) {
        self.n_compared += 1;
        if served != official {
            let (served, official) = (format!("{served:?}"), format!("{official:?}"));
            self.differences.push(Difference { place, served, official });
        }
    }
}
