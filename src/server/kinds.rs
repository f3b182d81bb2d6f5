//! Which kinds are served at a moment: a snapshot that is replaced whole.

use std::collections::HashMap;

use spur_api::REGISTRY;

use crate::served::Served;

/// Every kind that is served, in the order of discovery.
#[derive(Debug)]
pub(crate) struct Kinds {
    all: Vec<Served>,
    /// Places in `all` by the plural.
    by_plural: HashMap<String, Vec<usize>>,
}

// === impl Kinds ===

impl Kinds {
    /// The bundled kinds alone.
    pub(crate) fn bundled() -> Self {
        Self::new(REGISTRY.iter().map(Served::Bundled).collect())
    }

    fn new(all: Vec<Served>) -> Self {
        let mut by_plural: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, kind) in all.iter().enumerate() {
            by_plural.entry(kind.plural().to_owned()).or_default().push(index);
        }
        Self { all, by_plural }
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
        versions
    }

    fn of_group(&self, group: &str) -> impl Iterator<Item = &Served> {
        self.all.iter().filter(move |kind| kind.group() == group)
    }
}
