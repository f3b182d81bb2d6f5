//! `docs/istio.md` says of every field what the reading does with it, and names every field that
//! the bundled definitions have.
//!
//! With `SPUR_WRITE=1` the page is written anew instead.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;
use spur_istio::{GROUP, KINDS, Support, fields};

const HEAD: &str = "\
# Istio's fields

What becomes of each field of the kinds that requests are routed by. The page is made from the tables by
which objects are read (`src/istio`), with `SPUR_WRITE=1 cargo test -p spur-istio --test istio_page`;
a test holds that the tables have every field of the published definitions.

| word | means |
|---|---|
| honoured | requests are handled as Istio's documentation says |
| reported | accepted, without effect; `status.conditions` of the object says so (`PassedAnalysis: False`, reason `NotSupported`) |
| refused | what Istio's webhook refuses: the API answers 422 with the field's path, `spur proxy` tells file, line and column |

Refused are, beyond the schema: a rule that does nothing or several things, no rule at all, a host that is
no DNS name or stands twice, `*` in the mesh, a destination without host, weights without a sum or with
one over 2^32, a prefix redirect without a prefix, other redirect codes than 301, 302, 303, 307 and 308,
patterns that are none or take over 1 MiB, names and values that are no headers, words that `retryOn` does
not know, times below 1 ms, ports beyond 65535, subsets without a name or with one twice, two hash keys,
shares over 100 %, link-local endpoints, endpoints by name where `resolution` is STATIC, servers without
hosts, and protocols that Istio does not know.

Names are resolved as the system does it, every 60 seconds: those of endpoints, and the host itself where
a ServiceEntry gives none. `DNS`, `NONE` and `DYNAMIC_DNS` take all addresses, `DNS_ROUND_ROBIN` one; of
IPv4 where there are some. While a name cannot be resolved its last addresses stay; link-local ones are
never taken.
";

#[test]
fn the_page_is_what_the_tables_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/istio.md");
    let page = page();
    if std::env::var_os("SPUR_WRITE").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).expect("the page is there");
    assert!(
        found == page,
        "docs/istio.md is stale: run `SPUR_WRITE=1 cargo test -p spur-istio --test istio_page`"
    );
}

fn page() -> String {
    let sections: Vec<String> = KINDS.iter().map(|kind| section(kind)).collect();
    format!("{HEAD}{}", sections.concat())
}

fn section(kind: &str) -> String {
    let fields = fields(kind);
    let n_honoured = fields.iter().filter(|(_, support)| *support == Support::Honoured).count();
    let n = fields.len();
    let row = |(path, support): &(String, Support)| match support {
        Support::Honoured => format!("| `{path}` | honoured |\n"),
        Support::Reported(why) => format!("| `{path}` | reported: {why} |\n"),
    };
    let rows: Vec<String> = fields.iter().map(row).collect();
    format!(
        "\n## {kind}\n\n{n_honoured} of {n} fields are honoured.\n\n| field | |\n|---|---|\n{}",
        rows.concat()
    )
}

#[test]
fn the_tables_have_every_field_of_the_definitions() {
    for kind in KINDS {
        let definition = spur_api::bundled::all().find(|it| it.group == GROUP && it.kind == kind);
        let schema = definition.expect("it is bundled").schema();
        let mut published = BTreeSet::new();
        walk(&schema["properties"]["spec"], "spec", &mut published);
        let tables = fields(kind);
        let table: BTreeSet<&str> = tables.iter().map(|(path, _)| &**path).collect();
        // What stands below a field that is not obeyed, or that holds values of the user's own, is
        // not looked at.
        let leaves: Vec<&str> = tables
            .iter()
            .filter(|(path, _)| !table.iter().any(|other| other.starts_with(&format!("{path}."))))
            .map(|(path, _)| &**path)
            .collect();
        for path in &published {
            let is_below = leaves.iter().any(|leaf| path.starts_with(&format!("{leaf}.")));
            assert!(table.contains(&**path) || is_below, "{kind}: `{path}` has no row");
        }
        for path in table {
            assert!(published.contains(path), "{kind}: `{path}` is no field of the definition");
        }
    }
}

/// Every field below, without what tells items of lists and maps apart.
fn walk(schema: &Value, path: &str, out: &mut BTreeSet<String>) {
    if let Some(items) = schema.get("items") {
        return walk(items, path, out);
    }
    if schema["additionalProperties"].is_object() {
        return walk(&schema["additionalProperties"], path, out);
    }
    for (name, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        out.insert(path.clone());
        walk(below, &path, out);
    }
}
