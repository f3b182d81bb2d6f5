//! Which kinds are served at a moment: a snapshot that is replaced whole.

pub(crate) mod priority;

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde_json::{Value, json};
use spur_api::kinds::apiextensions::status;
use spur_api::{REGISTRY, bundled, meta};

use crate::custom_kind::{self, CustomKind};
use crate::served::Served;

/// Every kind that is served, in the order of discovery.
#[derive(Debug)]
pub(crate) struct Kinds {
    all: Vec<Served>,
    /// When the snapshot was made.
    made_at: jiff::Timestamp,
    /// Places in `all` by the plural.
    by_plural: HashMap<String, Vec<usize>>,
    /// What definitions were made into, the bundled ones too, by their names.
    definitions: HashMap<String, Definition>,
    /// Resources whose definition waits for its deletion.
    terminating: HashSet<String>,
}

/// A definition made into kinds.
#[derive(Clone, Debug)]
struct Definition {
    /// Of what the kinds were made from.
    fingerprint: u64,
    versions: Vec<Arc<CustomKind>>,
}

// === impl Kinds ===

impl Kinds {
    /// The bundled kinds alone.
    pub(crate) fn bundled() -> Self {
        Self::with_definitions(&[], &Self::new(Vec::new()))
    }

    /// The bundled kinds and those of definitions. What did not change is taken from `before`;
    /// what is not served any more is retired. A definition takes the place of what is bundled under
    /// its name, in every version.
    pub(crate) fn with_definitions(definitions: &[Value], before: &Self) -> Self {
        let mut made: HashMap<String, Definition> = HashMap::new();
        let mut terminating = HashSet::new();
        for definition in definitions.iter().filter(|definition| status::is_established(definition)) {
            let name = meta::name(definition);
            let known = before.definitions.get(name);
            made.insert(name.to_owned(), Definition::of(definition, known));
            if meta::is_deleting(definition) {
                terminating.insert(name.to_owned());
            }
        }
        let custom = definitions.iter().filter_map(|definition| made.get(meta::name(definition)));
        let custom: Vec<Arc<CustomKind>> =
            custom.flat_map(|made| &made.versions).filter(|kind| kind.is_served).cloned().collect();
        let mut ours = Vec::new();
        for bundled in bundled::all() {
            if let Entry::Vacant(place) = made.entry(bundled.name()) {
                let known = before.definitions.get(place.key());
                let definition = place.insert(Definition::of_bundled(bundled, known));
                ours.extend(definition.versions.iter().cloned());
            }
        }
        for (name, old) in &before.definitions {
            if made.get(name).is_none_or(|new| new.fingerprint != old.fingerprint) {
                old.versions.iter().for_each(|kind| kind.retired.cancel());
            }
        }
        let is_replaced = |kind: &Served| {
            kind.is_structural()
                && custom.iter().any(|custom| custom.plural == kind.plural() && custom.group == kind.group())
        };
        let rows = REGISTRY.iter().map(Served::Bundled).filter(|kind| !is_replaced(kind));
        let all = rows.chain(ours.into_iter().chain(custom.iter().cloned()).map(Served::Custom)).collect();
        Self { definitions: made, terminating, ..Self::new(all) }
    }

    fn new(all: Vec<Served>) -> Self {
        let mut by_plural: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, kind) in all.iter().enumerate() {
            by_plural.entry(kind.plural().to_owned()).or_default().push(index);
        }
        let made_at = jiff::Timestamp::now();
        Self { all, made_at, by_plural, definitions: HashMap::new(), terminating: HashSet::new() }
    }

    /// The kind that stands under `/apis/<group>/<version>/<plural>`.
    pub(crate) fn by_path(&self, group: &str, version: &str, plural: &str) -> Option<&Served> {
        let places = self.by_plural.get(plural)?;
        let mut kinds = places.iter().map(|place| &self.all[*place]);
        kinds.find(|kind| kind.group() == group && kind.version() == version)
    }

    /// Every kind.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Served> {
        self.all.iter()
    }

    /// The kinds of a group version.
    pub(crate) fn of_version(&self, group: &str, version: &str) -> impl Iterator<Item = &Served> {
        self.of_group(group).filter(move |kind| kind.version() == version)
    }

    /// The groups but the core group.
    pub(crate) fn named_groups(&self) -> Vec<&str> {
        let mut groups: Vec<&str> = Vec::new();
        for kind in &self.all {
            if !kind.group().is_empty() && !groups.contains(&kind.group()) {
                groups.push(kind.group());
            }
        }
        groups.sort_by(|a, b| priority::compare_groups(a, b));
        groups
    }

    /// The versions of a group, the preferred one first.
    pub(crate) fn versions_of(&self, group: &str) -> Vec<&str> {
        let mut versions: Vec<&str> = Vec::new();
        for kind in self.of_group(group) {
            if !versions.contains(&kind.version()) {
                versions.push(kind.version());
            }
        }
        // Rows of the registry stand in their order; versions of definitions have a rank.
        if self.of_group(group).any(|kind| matches!(kind, Served::Custom(_))) {
            versions.sort_by(|a, b| priority::compare(a, b));
        }
        versions
    }

    /// When it was last decided what is served.
    pub(crate) fn made_at(&self) -> jiff::Timestamp {
        self.made_at
    }

    /// Whether the definition of a resource waits for its deletion.
    pub(crate) fn is_terminating(&self, resource: &str) -> bool {
        self.terminating.contains(resource)
    }

    fn of_group(&self, group: &str) -> impl Iterator<Item = &Served> {
        self.all.iter().filter(move |kind| kind.group() == group)
    }
}

// === impl Definition ===

impl Definition {
    fn of(definition: &Value, known: Option<&Self>) -> Self {
        let made_from = json!([definition["spec"], definition["status"]["acceptedNames"]]);
        let fingerprint = xxhash_rust::xxh3::xxh3_64(made_from.to_string().as_bytes());
        match known.filter(|known| known.fingerprint == fingerprint) {
            Some(known) => known.clone(),
            None => Self { fingerprint, versions: CustomKind::all_of(definition) },
        }
    }

    fn of_bundled(bundled: &'static bundled::Definition, known: Option<&Self>) -> Self {
        let fingerprint = custom_kind::bundled_fingerprint();
        match known.filter(|known| known.fingerprint == fingerprint) {
            Some(known) => known.clone(),
            None => Self { fingerprint, versions: CustomKind::all_of_bundled(bundled) },
        }
    }
}
