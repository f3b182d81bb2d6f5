//! `docs/limits.md` says of every limit what the table says.
//!
//! With `SPUR_WRITE=1` the page is written anew instead.

use std::path::Path;

use spur_net::{LIMITS, Limit, Of};

const HEAD: &str = "\
# Limits

What bounds connections, of clients and to upstreams, made from the table (`src/net/limits/table.rs`) by
`SPUR_WRITE=1 cargo test -p spur-net --test limits_page`.

Each can be set with `spur up --limit NAME=VALUE` (repeatable). Times are written `500ms`, `10s`,
`5m`, sizes `65536`, `64KiB`, `1MiB`. Where both are bounded, one value is for both: the proxy and
the API server.

| name | default | bounds | of | why, and what happens beyond |
|---|---|---|---|---|
";

const TAIL: &str = "
Fixed, since nobody has to change them: extensions and trailers of chunked bodies (16 KiB each,
hyper's own), empty HTTP/2 DATA frames (h2's own budget, RUSTSEC-2026-0258), the wait for a
client that goes on sending after the last answer (1 s, 1 MiB), and what `src/proxy/pool` keeps of
connections to upstreams. What the API server bounds above HTTP stands in [faults.md](faults.md).
";

#[test]
fn the_page_is_what_the_table_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
    let page = page();
    if std::env::var_os("SPUR_WRITE").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).expect("the page is there");
    assert!(
        found == page,
        "docs/limits.md is stale: run `SPUR_WRITE=1 cargo test -p spur-net --test limits_page`"
    );
}

fn page() -> String {
    let rows: Vec<String> = LIMITS.iter().map(row).collect();
    format!("{HEAD}{}{TAIL}", rows.concat())
}

fn row(limit: &Limit) -> String {
    let Limit { name, default, of, meaning, reason, .. } = limit;
    let of = match of {
        Of::Both => "both",
        Of::Proxy => "proxy",
    };
    format!("| `{name}` | {default} | {meaning} | {of} | {reason} |\n")
}
