//! Kinds that the registry does not know: those of CustomResourceDefinitions, as the server's
//! discovery tells them, or as they are about to be applied.

use serde_json::Value;
use spur_api::{Kind, Rules, Scope, meta, registry};

use crate::client::{ApiError, Client};

/// The form of discovery that tells everything at once.
const DISCOVERY: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Every kind that the server serves beyond the registry.
///
/// # Errors
/// When the server does not answer.
pub(crate) async fn served(client: &Client) -> Result<Vec<&'static Kind>, ApiError> {
    let groups = client.get_as("/apis", DISCOVERY).await?;
    let mut kinds = Vec::new();
    for group in meta::list(&groups, "/items") {
        for version in meta::list(group, "/versions") {
            let resources = meta::list(version, "/resources").iter();
            kinds.extend(resources.filter_map(|resource| of_discovery(group, version, resource)));
        }
    }
    Ok(kinds)
}

/// What a definition will have the server serve.
pub(crate) fn defined_by(definition: &Value) -> Vec<&'static Kind> {
    let names = &definition["spec"]["names"];
    let kind = meta::text(names, "/kind");
    let versions = meta::list(definition, "/spec/versions").iter();
    let rows = versions.filter(|version| version["served"] == true).map(|version| Row {
        group: meta::text(definition, "/spec/group"),
        version: meta::text(version, "/name"),
        kind,
        plural: meta::text(names, "/plural"),
        singular: names["singular"].as_str().map_or_else(|| kind.to_lowercase(), str::to_owned),
        short_names: &names["shortNames"],
        is_namespaced: meta::text(definition, "/spec/scope") == "Namespaced",
    });
    rows.map(Row::leak).collect()
}

fn of_discovery(group: &Value, version: &Value, resource: &Value) -> Option<&'static Kind> {
    let row = Row {
        group: meta::name(group),
        version: meta::text(version, "/version"),
        kind: meta::text(resource, "/responseKind/kind"),
        plural: meta::text(resource, "/resource"),
        singular: meta::text(resource, "/singularResource").to_owned(),
        short_names: &resource["shortNames"],
        is_namespaced: meta::text(resource, "/scope") == "Namespaced",
    };
    let is_known = registry::by_path(row.group, row.version, row.plural).is_some();
    (!is_known).then(|| row.leak())
}

/// A kind as somebody tells of it.
struct Row<'a> {
    group: &'a str,
    version: &'a str,
    kind: &'a str,
    plural: &'a str,
    singular: String,
    short_names: &'a Value,
    is_namespaced: bool,
}

// === impl Row ===

impl Row<'_> {
    /// As a row of the registry, which live as long as the program. This one does too: a command
    /// asks once at most and ends soon.
    fn leak(self) -> &'static Kind {
        let short = self.short_names.as_array().into_iter().flatten().filter_map(Value::as_str);
        let short_names: Vec<&'static str> = short.map(leaked).collect();
        Box::leak(Box::new(Kind {
            group: leaked(self.group),
            version: leaked(self.version),
            kind: leaked(self.kind),
            plural: leaked(self.plural),
            singular: leaked(&self.singular),
            short_names: Vec::leak(short_names),
            categories: &[],
            scope: if self.is_namespaced { Scope::Namespaced } else { Scope::Cluster },
            definition: "",
            subresources: &[],
            rules: Rules::PLAIN,
        }))
    }
}

fn leaked(text: &str) -> &'static str {
    String::leak(text.to_owned())
}
