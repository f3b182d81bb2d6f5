//! Which documents there are, and what each holds. They are made whenever somebody asks, and not
//! kept: that takes milliseconds, and clients keep them by their hash.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Map, Value, json};
use spur_api::{REGISTRY, definitions};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::paths::{self, Paths};
use super::{fixed, schemas};
use crate::kinds::Kinds;
use crate::served::Served;

/// What a document is about.
#[derive(Clone, Debug)]
pub(super) enum Document<'a> {
    /// A group and one of its versions: `apis/apps/v1`.
    Version(&'a str, &'a str),
    /// A group: `apis/apps`.
    Group(&'a str),
    /// Any other: `version`.
    Fixed(&'static str),
}

/// The documents, by their paths below `/openapi/v3/`.
pub(super) fn all(kinds: &Kinds) -> BTreeMap<String, Document<'_>> {
    let mut all: BTreeMap<String, Document<'_>> =
        fixed::DOCUMENTS.into_iter().map(|path| (path.to_owned(), Document::Fixed(path))).collect();
    for kind in kinds.iter() {
        let (group, version) = (kind.group(), kind.version());
        if !group.is_empty() {
            all.entry(format!("apis/{group}")).or_insert(Document::Group(group));
        }
        let path = paths::root(group, version).split_off(1);
        all.entry(path).or_insert(Document::Version(group, version));
    }
    all
}

/// What tells one state of all documents from another.
pub(super) fn hash_of_all(kinds: &Kinds) -> String {
    let all: String =
        all(kinds).iter().map(|(path, document)| format!("{path} {}", document.hash(kinds))).collect();
    format!("{:016x}", xxh3_64(all.as_bytes()))
}

/// Of what changes only with the binary: the bundled definitions and what is said of the bundled
/// kinds. Made once.
fn bundled_hash() -> u64 {
    static BUNDLED: OnceLock<u64> = OnceLock::new();
    *BUNDLED.get_or_init(|| {
        let mut state = Xxh3::new();
        let mut add = |map: &Map<String, Value>| {
            state.update(&serde_json::to_vec(map).expect("a JSON value can always be written"));
        };
        add(&definitions::document());
        // One by one: together they take 10 MB.
        for kind in REGISTRY {
            let mut paths = Paths::new();
            paths::add_kind(&mut paths, &Served::Bundled(kind));
            add(&paths);
        }
        state.update(env!("CARGO_PKG_VERSION").as_bytes());
        state.digest()
    })
}

// === impl Document ===

impl Document<'_> {
    /// What tells one state of this document from another: of the bundled kinds, with the
    /// fingerprints of those that come and go.
    pub(super) fn hash(&self, kinds: &Kinds) -> String {
        let mut state = bundled_hash().to_be_bytes().to_vec();
        for kind in self.kinds(kinds) {
            state.extend(kind.kind().as_bytes());
            state.extend(kind.fingerprint().to_be_bytes());
        }
        format!("{:016X}", xxh3_64(&state))
    }

    /// The document.
    pub(super) fn build(&self, kinds: &Kinds) -> Value {
        let mut paths = Paths::new();
        let kinds = self.kinds(kinds);
        match self {
            Self::Version(group, version) => {
                fixed::add_version(&mut paths, group, version);
                kinds.iter().for_each(|kind| paths::add_kind(&mut paths, kind));
            }
            Self::Group(group) => fixed::add_group(&mut paths, group),
            Self::Fixed(document) => fixed::add(&mut paths, document),
        }
        paths.sort_keys();
        let paths = Value::Object(paths);
        let bearer = json!({
            "type": "apiKey", "name": "authorization", "in": "header",
            "description": "Bearer Token authentication",
        });
        let mut components = json!({"securitySchemes": {"BearerToken": bearer}});
        let schemas = schemas::referred_to(&paths, &kinds);
        if !schemas.is_empty() {
            components["schemas"] = Value::Object(schemas);
        }
        json!({
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": "spur"},
            "paths": paths,
            "components": components,
        })
    }

    fn kinds<'a>(&self, kinds: &'a Kinds) -> Vec<&'a Served> {
        match self {
            Self::Version(group, version) => kinds.of_version(group, version).collect(),
            Self::Group(_) | Self::Fixed(_) => Vec::new(),
        }
    }
}
