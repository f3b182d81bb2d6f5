//! The shop's web page: `page.html` with its two places filled in. No script and
//! nothing loaded from elsewhere. Leaves the data to its parent.

use spur_sdk::propagation::Context;

use crate::failure::Failure;
use crate::order::{Cart, Line, Order, Suggested};

const PAGE: &str = include_str!("page.html");

/// The version that every service is unless told otherwise; others stand out.
const BASELINE: &str = "v1";

/// The cart, its total, what goes with it, and who answered.
pub(super) fn render_cart(cart: &Cart) -> String {
    let Cart { order: Order { lines, total_cents, currency, answered }, recommended, key } = cart;
    let rows: String = lines.iter().map(|line| render_line(line, currency)).collect();
    let total = render_money(*total_cents, currency);
    let versions: String =
        answered.versions.iter().map(|(service, version)| render_version(service, version)).collect();
    let suggestions: String = recommended.iter().map(render_suggestion).collect();
    let content = format!(
        "<section><h2>Your cart</h2><table>{rows}\
         <tr class=\"total\"><td>Total</td><td>{total}</td></tr></table></section>\n\
         <section><h2>Goes well with it</h2><ul>{suggestions}</ul></section>\n\
         <section class=\"versions\"><h2>Who answered</h2><ul>{versions}</ul></section>"
    );
    fill(key.as_deref(), &content)
}

/// What failed, and where.
pub(super) fn render_failure(failure: &Failure) -> String {
    let what = escape(&failure.to_string());
    let status = failure.status().as_u16();
    let content = format!(
        "<section class=\"failure\"><h2>{status}</h2>The cart cannot be shown.<small>{what}</small></section>"
    );
    fill(Context::current().routing_key(), &content)
}

fn fill(key: Option<&str>, content: &str) -> String {
    let key = match key {
        Some(key) => format!("<span class=\"key spur\">◆ {}</span>", escape(key)),
        None => "<span class=\"key\">baseline</span>".to_owned(),
    };
    // The content goes in last: what it holds is never searched for places.
    PAGE.replacen("{{key}}", &key, 1).replacen("{{content}}", content, 1)
}

fn render_line(line: &Line, currency: &str) -> String {
    let name = escape(&line.name);
    let price = render_money(line.cents.into(), currency);
    let stock = match line.in_stock {
        0 => "sold out".to_owned(),
        n => format!("{n} in stock"),
    };
    format!("<tr><td>{name}<small>{stock}</small></td><td>{price}</td></tr>")
}

fn render_suggestion(suggested: &Suggested) -> String {
    let (sku, name) = (escape(&suggested.sku), escape(&suggested.name));
    format!("<li><a href=\"/?sku={sku}\">{name}</a></li>")
}

fn render_version(service: &str, version: &str) -> String {
    let (class, mark) = match version {
        BASELINE => ("", ""),
        _ => (" class=\"spur\"", "◆ "),
    };
    format!("<li{class}>{mark}{} {}</li>", escape(service), escape(version))
}

fn render_money(cents: u64, currency: &str) -> String {
    let currency = escape(currency);
    format!("{}.{:02} {currency}", cents / 100, cents % 100)
}

/// Text as text: the five characters that HTML gives a meaning.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::Answered;

    fn cart(name: &str, version: &str, key: Option<&str>) -> Cart {
        let mut answered = Answered::default();
        answered.note("pricing", version);
        Cart {
            order: Order {
                lines: vec![Line { sku: "mug".into(), name: name.into(), cents: 1205, in_stock: 0 }],
                total_cents: 1205,
                currency: "EUR".into(),
                answered,
            },
            recommended: vec![],
            key: key.map(str::to_owned),
        }
    }

    #[test]
    fn the_page_shows_price_stock_version_and_key() {
        let page = render_cart(&cart("Mug", "v2-cheaper", Some("pr-1")));
        for part in
            ["<td>12.05 EUR</td>", "sold out", "<li class=\"spur\">◆ pricing v2-cheaper</li>", "◆ pr-1"]
        {
            assert!(page.contains(part), "`{part}` in:\n{page}");
        }
        assert!(!page.contains("{{"), "every place is filled");
    }

    #[test]
    fn the_baseline_looks_calm() {
        let page = render_cart(&cart("Mug", "v1", None));
        assert!(page.contains("<li>pricing v1</li>") && page.contains("baseline"));
    }

    #[test]
    fn what_services_say_is_never_markup() {
        let page = render_cart(&cart("<script>'{{key}}", "\"&", None));
        assert!(!page.contains("<script>"));
        assert!(page.contains("&lt;script&gt;&#39;{{key}}") && page.contains("&quot;&amp;"));
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for word in ["http:", "https:", "//", "src=", "@import", "url("] {
            assert!(!PAGE.contains(word), "`{word}`");
        }
    }
}
