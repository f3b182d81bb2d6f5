//! What the demo shows at its end, and whether it is as it should be.

use std::io;
use std::path::PathBuf;

use super::ask::Asked;
use super::call_tree;
use super::side_by_side::{self, Side};
use crate::console::Console;
use crate::error::Failure;

/// The service that the demo's sandbox forks.
const FORKED: &str = "pricing";

/// Everything that was found out.
pub(super) struct Story<'a> {
    pub(super) url: String,
    pub(super) preview: String,
    pub(super) key: &'a str,
    pub(super) sandbox: &'a str,
    pub(super) kubeconfig: PathBuf,
    pub(super) without: &'a Asked,
    pub(super) with: &'a Asked,
}

/// Prints the ways side by side, the prices, and what to try next.
pub(super) fn print(story: &Story<'_>, console: &mut Console) -> io::Result<()> {
    let Story { url, preview, key, sandbox, kubeconfig, without, with } = story;
    let paint = console.data_paint();
    console.line("")?;
    console.line(&format!("The same request, GET {url}"))?;
    console.line("")?;
    let left = side("without a key".to_owned(), without);
    let right = side(format!("with spur-key: {key}"), with);
    for line in side_by_side::draw(&left, &right, paint) {
        console.line(&line)?;
    }
    console.line("")?;
    let lines = [
        (format!("Open the shop as sandbox `{sandbox}` sees it:"), preview.clone()),
        ("Ask yourself:".to_owned(), format!("curl -H 'spur-key: {key}' '{url}'")),
        ("Use kubectl:".to_owned(), format!("export KUBECONFIG={}", kubeconfig.display())),
    ];
    for (label, value) in lines {
        console.line(&label)?;
        console.line(&format!("  {}", paint.bold(value)))?;
    }
    Ok(())
}

/// Whether every step was as expected.
///
/// # Errors
/// On the first that was not.
pub(super) fn check(story: &Story<'_>) -> Result<(), Failure> {
    let Story { key, sandbox, without, with, .. } = story;
    let forked = |asked: &Asked| -> Vec<String> {
        let rows = call_tree::rows(&asked.trace, &asked.cart.answered);
        rows.into_iter().filter_map(|row| Some(format!("{} of {}", row.service, row.sandbox?))).collect()
    };
    let expected: [(bool, String); 6] = [
        (
            forked(without).is_empty(),
            format!("the request without a key met forks: {}", forked(without).join(", ")),
        ),
        (
            forked(with) == [format!("{FORKED} of {sandbox}")],
            format!(
                "the request with the key should meet the fork of {FORKED} alone, found: [{}]",
                forked(with).join(", ")
            ),
        ),
        (
            without.cart.answered.get(FORKED) != with.cart.answered.get(FORKED),
            format!("the same version of {FORKED} answered both requests"),
        ),
        (
            with.cart.total_cents < without.cart.total_cents,
            format!(
                "the sandbox should make the cart cheaper, found {} and {} cents",
                without.cart.total_cents, with.cart.total_cents
            ),
        ),
        (
            with.cart.key.as_deref() == Some(*key) && without.cart.key.is_none(),
            format!(
                "the frontend should see the key {key} once, found {:?} and {:?}",
                without.cart.key, with.cart.key
            ),
        ),
        (
            !without.trace.is_failed() && !with.trace.is_failed(),
            "a hop of the two requests failed".to_owned(),
        ),
    ];
    match expected.into_iter().find(|(is_met, _)| !is_met) {
        Some((_, what)) => Err(Failure::new(format!("the demo is not as expected: {what}"))
            .hint("`spur demo --keep` keeps objects and logs; please report it")),
        None => Ok(()),
    }
}

fn side(title: String, asked: &Asked) -> Side {
    let cart = &asked.cart;
    let total = format!("{}.{:02} {}", cart.total_cents / 100, cart.total_cents % 100, cart.currency);
    Side { title, rows: call_tree::rows(&asked.trace, &cart.answered), total }
}
