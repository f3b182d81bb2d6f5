//! `docs/kinds.md` says of every kind what the registry and the bundled definitions say.
//!
//! With `SPUR_WRITE=1` the page is written anew instead.

use std::path::Path;

use spur_api::bundled::{self, Definition};
use spur_api::{Kind, REGISTRY, Scope};

const HEAD: &str = "\
# Kinds

Every kind that the API serves, made from the registry (`src/api/registry.rs`) and the bundled
definitions (`src/api/bundled.rs`) by `SPUR_WRITE=1 cargo test -p spur-api --test kinds_page`.

All have `create`, `get`, `list`, `watch`, `update`, `patch` (also server-side apply), `delete` and,
namespaces apart, `deletecollection`; what the server answers and never keeps has `create` alone, and
component statuses and metrics `get` and `list`. Where nothing acts on a kind its objects are stored, checked, filled in and served as Kubernetes does it, and that is all. Of one that is acted on less comes than in a cluster: a PersistentVolumeClaim gets a volume of its own, also where a PersistentVolume of yours would fit.

| kind | API | scope | short | subresources | acted on by |
|---|---|---|---|---|---|
";

const BUNDLED: &str = "
A kind that stands twice is one set of objects in two shapes: what is written in one is read in the other.

## Istio and Gateway API

These are served as if their CustomResourceDefinitions had been applied: with the published types,
defaults, limits, CEL rules and columns, in every version that is published and served; the versions
of a kind share one set of objects.
No definition is listed for them. A CustomResourceDefinition of the same name takes the place of the
bundled kind, in every version, until it is deleted; deleting it deletes the objects, as anywhere. So
Helm charts and installers that bring their own definitions work as they do on a cluster without any.

Requests are routed by Istio's VirtualService, DestinationRule, Gateway and ServiceEntry
([istio.md](istio.md) says what of them is obeyed); what Istio's webhook refuses is refused here, too.
The other kinds are stored and served only.

| kind | API (stored in) | scope | short | subresources | acted on by |
|---|---|---|---|---|---|
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
    let mut definitions: Vec<&Definition> = bundled::all().collect();
    definitions.sort_by_key(|definition| (definition.group, definition.kind));
    let definitions: Vec<String> = definitions.into_iter().map(definition_row).collect();
    format!("{HEAD}{}{BUNDLED}{}", rows.concat(), definitions.concat())
}

fn definition_row(definition: &Definition) -> String {
    format!(
        "| {} | {}/{} ({}) | {} | {} | {} | {} |\n",
        definition.kind,
        definition.group,
        definition.versions.join(", "),
        definition.storage_version,
        scope(definition.scope),
        definition.short_names.join(", "),
        if definition.has_status { "status" } else { "" },
        actor(definition.acted_on_by),
    )
}

fn row(kind: &Kind) -> String {
    let subresources: Vec<&str> = kind.subresources.iter().map(|subresource| subresource.segment()).collect();
    let api = match kind.rules.stored_as {
        Some(_) => format!("{} (stored as {})", kind.api_version(), kind.stored().api_version()),
        None => kind.api_version(),
    };
    format!(
        "| {} | {api} | {} | {} | {} | {} |\n",
        kind.kind,
        scope(kind.scope),
        kind.short_names.join(", "),
        subresources.join(", "),
        actor(kind.rules.acted_on_by),
    )
}

fn scope(scope: Scope) -> &'static str {
    match scope {
        Scope::Cluster => "cluster",
        Scope::Namespaced => "namespace",
    }
}

fn actor(acted_on_by: &'static str) -> &'static str {
    match acted_on_by {
        "" => "–",
        who => who,
    }
}
