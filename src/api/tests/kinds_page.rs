//! `docs/kinds.md` says of every kind what the registry says.
//!
//! With `SPUR_WRITE=1` the page is written anew instead.

use std::path::Path;

use spur_api::{Kind, REGISTRY, Scope};

const HEAD: &str = "\
# Kinds

Every kind that the API serves, made from the registry (`src/api/registry.rs`) by
`SPUR_WRITE=1 cargo test -p spur-api --test kinds_page`.

All have `create`, `get`, `list`, `watch`, `update`, `patch` (also server-side apply), `delete` and,
namespaces apart, `deletecollection`; reviews have `create` alone. Where nothing acts on a kind its objects are stored, checked,
filled in and served as Kubernetes does it, and that is all: nothing comes of them.

| kind | API | scope | short | subresources | acted on by |
|---|---|---|---|---|---|
";

const TAIL: &str = "
A kind that stands twice is one set of objects in two shapes: what is written in one is read in the other.
";

#[test]
fn the_page_is_what_the_registry_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kinds.md");
    let page = page();
    if std::env::var_os("SPUR_WRITE").is_some() {
        std::fs::write(&path, &page).expect("the page can be written");
    }
    let found = std::fs::read_to_string(&path).expect("the page is there");
    assert!(
        found == page,
        "docs/kinds.md is stale: run `SPUR_WRITE=1 cargo test -p spur-api --test kinds_page`"
    );
}

fn page() -> String {
    let mut kinds: Vec<&Kind> = REGISTRY.iter().collect();
    kinds.sort_by_key(|kind| (kind.group, std::cmp::Reverse(kind.version), kind.kind));
    let rows: Vec<String> = kinds.into_iter().map(row).collect();
    format!("{HEAD}{}{TAIL}", rows.concat())
}

fn row(kind: &Kind) -> String {
    let scope = match kind.scope {
        Scope::Cluster => "cluster",
        Scope::Namespaced => "namespace",
    };
    let subresources: Vec<&str> = kind.subresources.iter().map(|subresource| subresource.segment()).collect();
    let acted_on_by = match kind.rules.acted_on_by {
        "" => "–",
        who => who,
    };
    let api = match kind.rules.stored_as {
        Some(_) => format!("{} (stored as {})", kind.api_version(), kind.stored().api_version()),
        None => kind.api_version(),
    };
    format!(
        "| {} | {api} | {scope} | {} | {} | {acted_on_by} |\n",
        kind.kind,
        kind.short_names.join(", "),
        subresources.join(", "),
    )
}
