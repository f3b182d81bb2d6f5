//! `spur rules test`: requests and what is expected of them, against the routing table.
//!
//! What a case says is in `case`; where a request goes, `explain` asks.

mod case;

use anyhow::Result;
use serde_json::json;
use spur_route::Explanation;
use spur_trace::sanitize_for_terminal;

use self::case::Case;
use crate::args::{ConnectionArgs, RulesArgs, RulesCommand, RulesTestArgs, RulesTestOutput};
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{Exit, Failure};
use crate::explain::Oracle;
use crate::manifest::{self, Depth};

/// Runs `spur rules`.
pub(crate) async fn run(
    args: &RulesArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
    console: &mut Console,
) -> Result<Exit> {
    match &args.command {
        RulesCommand::Test(args) => test(args, connection, environment, console).await,
    }
}

async fn test(
    args: &RulesTestArgs,
    connection: &ConnectionArgs,
    environment: &Environment,
    console: &mut Console,
) -> Result<Exit> {
    let RulesTestArgs { cases, filename, output } = args;
    let cases = read(cases)?;
    let oracle = Oracle::open(filename, connection, environment, console).await?;
    let mut n_failed = 0;
    for case in &cases {
        let explanation = oracle.explain(&case.request).await?;
        let differences = case.differences(&explanation);
        n_failed += usize::from(!differences.is_empty());
        match output {
            Some(RulesTestOutput::Json) => {
                let line = json!({
                    "name": case.name, "place": case.place, "passed": differences.is_empty(),
                    "differences": differences, "explanation": explanation,
                });
                console.bytes(format!("{line}\n").as_bytes())?;
            }
            None => print(case, &differences, &explanation, console)?,
        }
    }
    let n_passed = cases.len() - n_failed;
    console.talk(&format!("{n_passed} passed, {n_failed} failed"));
    Ok(if n_failed == 0 { Exit::Success } else { Exit::Failed })
}

fn read(names: &[String]) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for file in manifest::texts(names, Depth::Flat)? {
        cases.extend(case::parse(&file).map_err(Failure::usage)?);
    }
    Ok(cases)
}

fn print(
    case: &Case,
    differences: &[String],
    explanation: &Explanation,
    console: &mut Console,
) -> Result<()> {
    let paint = console.data_paint();
    let name = sanitize_for_terminal(&case.name);
    if differences.is_empty() {
        console.line(&format!("{} {name}", paint.green("ok  ")))?;
        return Ok(());
    }
    console.line(&format!("{} {name} ({})", paint.red("FAIL"), sanitize_for_terminal(&case.place)))?;
    for difference in differences {
        console.line(&format!("     {}", sanitize_for_terminal(difference)))?;
    }
    for line in explanation.to_string().lines() {
        console.line(&format!("     {}", paint.dim(sanitize_for_terminal(line))))?;
    }
    Ok(())
}
