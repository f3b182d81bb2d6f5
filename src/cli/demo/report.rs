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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::ask::Cart;
    use crate::trace::made::{hop, trace};

    /// An answer whose trace goes through a fork of `pricing`, or does not.
    fn asked(sandbox: Option<&str>, version: &str, cents: u64, key: Option<&str>) -> Asked {
        let (front, checkout, pricing) = ("b7ad6b7169203331", "c8be7c827a314442", "d9cf8d938b425553");
        let hops = vec![
            hop(front, None, "frontend", None),
            hop(checkout, Some(front), "checkout", None),
            hop(pricing, Some(checkout), "pricing", sandbox),
        ];
        let answered = [("frontend", "v1"), ("checkout", "v1"), ("pricing", version)];
        let answered = answered.into_iter().map(|(name, version)| (name.to_owned(), version.to_owned()));
        let cart = Cart {
            total_cents: cents,
            currency: "EUR".to_owned(),
            answered: answered.collect(),
            key: key.map(str::to_owned),
        };
        Asked { cart, trace: trace(hops) }
    }

    fn story<'a>(without: &'a Asked, with: &'a Asked) -> Story<'a> {
        Story {
            url: "http://frontend.default.localhost:8080/api/cart?sku=mug".to_owned(),
            preview: "http://cheaper--frontend.default.localhost:8080/".to_owned(),
            key: "k3x9",
            sandbox: "cheaper",
            kubeconfig: "/tmp/demo/kubeconfig".into(),
            without,
            with,
        }
    }

    #[test]
    fn the_report_shows_two_ways_two_prices_and_what_to_try() {
        let (without, with) =
            (asked(None, "v1", 1200, None), asked(Some("cheaper"), "v2", 1080, Some("k3x9")));
        let (mut console, screen) = Console::captured();
        print(&story(&without, &with), &mut console).unwrap();
        insta::assert_snapshot!(screen.data(), @"
        The same request, GET http://frontend.default.localhost:8080/api/cart?sku=mug

          without a key            with spur-key: k3x9
          gw                       gw
          └─ frontend v1           └─ frontend v1
             └─ checkout v1           └─ checkout v1
                └─ pricing v1            └─ ◆pricing v2  ◀ the fork of sandbox `cheaper`

          12.00 EUR                10.80 EUR

        Open the shop as sandbox `cheaper` sees it:
          http://cheaper--frontend.default.localhost:8080/
        Ask yourself:
          curl -H 'spur-key: k3x9' 'http://frontend.default.localhost:8080/api/cart?sku=mug'
        Use kubectl:
          export KUBECONFIG=/tmp/demo/kubeconfig
        ");
    }

    #[test]
    fn a_demo_that_went_otherwise_fails_and_says_how() {
        #[track_caller]
        fn check(without: &Asked, with: &Asked, expected: &str) {
            let found = check_text(without, with);
            assert!(found.contains(expected), "{found}");
        }
        fn check_text(without: &Asked, with: &Asked) -> String {
            super::check(&story(without, with)).err().map_or_else(String::new, |error| error.to_string())
        }
        let baseline = asked(None, "v1", 1200, None);
        let good = asked(Some("cheaper"), "v2", 1080, Some("k3x9"));
        assert_eq!(check_text(&baseline, &good), "");
        check(&good, &good, "the request without a key met forks: pricing of cheaper");
        check(&baseline, &asked(None, "v2", 1080, Some("k3x9")), "should meet the fork of pricing alone");
        check(&baseline, &asked(Some("other"), "v2", 1080, Some("k3x9")), "found: [pricing of other]");
        check(&baseline, &asked(Some("cheaper"), "v1", 1080, Some("k3x9")), "the same version of pricing");
        check(&baseline, &asked(Some("cheaper"), "v2", 1200, Some("k3x9")), "found 1200 and 1200 cents");
        check(&baseline, &asked(Some("cheaper"), "v2", 1080, None), "the frontend should see the key k3x9");
    }
}
