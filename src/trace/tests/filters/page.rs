//! `docs/filters.md` says of every field what the language says, and its examples are filters.

use std::fmt::Write;
use std::path::Path;

use spur_trace::filter::{Field, Filter, Kind};

const BEFORE: &str = "\
# Filters

`spur trace --filter 'FILTER'`, `spur logs --filter 'FILTER'`, `/spur/v1/traces?filter=` and whatever else shows requests take the same filter. The page is made from the
language by `SPUR_WRITE=1 cargo test -p spur-trace --test filters`.

| example | which requests |
|---|---|
";

const EXAMPLES: [(&str, &str); 13] = [
    ("checkout", "with the word in method, path, host, a service, a key, or the trace id"),
    ("svc:checkout status>=500", "that went through a service like `checkout` and were answered 500 or more"),
    ("status:5xx | dur>1s", "that failed or were slow"),
    ("!path:/health", "of other paths"),
    ("key=pr-421 hop:lost", "in which a service lost this key"),
    ("{svc=payments status:503}", "in which one and the same hop was to `payments` and got a 503"),
    (
        "svc:checkout >> {svc:db dur>50ms}",
        "in which `checkout` led to a slow `db`, at once or through others",
    ),
    ("hop:fork !hop:error", "that a fork answered, and without errors"),
    ("path~\"^/cart/\\d+$\"", "whose path fits a regular expression"),
    ("err:*", "that failed for any reason that has a code"),
    ("svc:checkout level>=warn", "(log lines) that `checkout` wrote as warnings or worse"),
    ("from=gw method:post size>64KiB", "that came in as large POSTs"),
    ("age<5m & (sandbox:pr-421 or sandbox:pr-430)", "of the last five minutes, to one of two sandboxes"),
];

const BETWEEN: &str = "
- `:` finds a part, whatever its case; `=` wants all of it; `~` is a regular expression (quote it); `>`, `>=`, `<`, `<=` compare numbers. `field:*` asks whether there is any value.
- `a != b` is `!(a = b)`, and `a !~ b` is `!(a ~ b)`: they hold where there is no value.
- A space, `&` and `and` are the same; then come `|` and `or`. `!` and `not` come before both, `>>` before all. Words with spaces or one of `&|(){}` go in quotes, in which `\\\"` is a quote.
- A trace is looked at as the request that came in: `status`, `dur`, `method`, `path`, `host`, `size`, `proto` and `grpc` are that request's. `svc`, `from`, `to`, `hop`, `rule`, `sandbox`, `key` and `err` ask whether some hop has the value. In `{…}` and beside `>>` everything is asked of single hops.

| field | holds | what it is |
|---|---|---|
";

const AFTER: &str = "
`body`, `req.…` and `res.…` are of hops that were captured, and are asked on the server alone. `host` is recorded of requests that were refused; elsewhere it has no value. `level` and `msg` are of log lines (`spur logs --filter`), of which `svc` is the workload and `trace` the id that stands in them. `attr.…` asks the spans that applications reported, inside `{…}` those that lie under the hop.
";

fn page() -> String {
    let mut page = BEFORE.to_owned();
    for (filter, what) in EXAMPLES {
        writeln!(page, "| `{}` | {what} |", filter.replace('|', "\\|")).unwrap();
    }
    page.push_str(BETWEEN);
    for facts in Field::all() {
        let name =
            if facts.name.ends_with('.') { format!("{}NAME", facts.name) } else { facts.name.to_owned() };
        writeln!(page, "| `{name}` | {} | {} |", holds(facts.kind), facts.about).unwrap();
    }
    page.push_str(AFTER);
    page
}

fn holds(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Word => "word, whatever its case",
        Kind::Status => "status",
        Kind::Duration => "duration: `300us`, `200ms`, `1.5s`, `2m`, `1h`",
        Kind::Size => "bytes: `100`, `64KiB`, `1.5MB`",
        Kind::Grpc => "gRPC status",
        Kind::Level => "`trace`, `debug`, `info`, `warn`, `error`, `fatal`",
        Kind::Flag => "`true` or `false`",
        Kind::Class => "`fork`, `base`, `split`, `lost`, `error`",
    }
}

#[test]
fn the_examples_are_filters() {
    for (filter, _) in EXAMPLES {
        Filter::parse(filter).unwrap_or_else(|error| panic!("{}", error.drawn(filter)));
    }
}

#[test]
fn the_page_says_what_the_language_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/filters.md");
    if std::env::var_os("SPUR_WRITE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        page(),
        "docs/filters.md is stale: run `SPUR_WRITE=1 cargo test -p spur-trace --test filters`"
    );
}
