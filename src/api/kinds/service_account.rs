//! ServiceAccounts. Each namespace gets `default` from the namespace controller.

use serde_json::json;

use crate::meta;
use crate::registry::{Column, Deleted, Kind, Rules, Scope, Subresource};

pub(crate) const KIND: Kind = Kind {
    group: "",
    version: "v1",
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    short_names: &["sa"],
    categories: &[],
    scope: Scope::Namespaced,
    definition: "io.k8s.api.core.v1.ServiceAccount",
    subresources: &[Subresource::Token],
    rules: Rules {
        columns: &[Column::text("Secrets"), Column::AGE],
        cells: |object| vec![json!(meta::list(object, "/secrets").len()), super::age(object)],
        deleted: Deleted::Object,
        acted_on_by: "namespace controller, which makes `default`",
        ..Rules::PLAIN
    },
};
