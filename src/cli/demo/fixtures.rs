//! The demo's objects, which are in this executable, so that it needs no files.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;

use crate::manifest::{self, Manifest};

/// `fixtures/demo/*.yaml`; a test holds the list complete.
const SHOP: [(&str, &str); 5] = [
    ("checkout.yaml", include_str!("../../../fixtures/demo/checkout.yaml")),
    ("frontend.yaml", include_str!("../../../fixtures/demo/frontend.yaml")),
    ("inventory.yaml", include_str!("../../../fixtures/demo/inventory.yaml")),
    ("pricing.yaml", include_str!("../../../fixtures/demo/pricing.yaml")),
    ("recommendation.yaml", include_str!("../../../fixtures/demo/recommendation.yaml")),
];

/// Where a workload names the program that it runs; each has one container.
const PROGRAM: &str = "/spec/template/spec/containers/0/command/0";

/// The sandbox that the demo creates.
const SANDBOX: (&str, &str) = ("sandbox.yaml", include_str!("../../../fixtures/demo/sandbox.yaml"));

/// The shop, in the order in which it is applied. Its services run from
/// `executable`, whatever it is called, and not from another `spur` in `PATH`.
///
/// # Errors
/// When a fixture is no manifest, which tests exclude.
pub(super) fn shop(namespace: &str, executable: &Path) -> Result<Vec<Manifest>> {
    let mut all = Vec::new();
    for (name, text) in SHOP {
        all.extend(manifest::parse(name, text)?);
    }
    for program in all.iter_mut().filter_map(|manifest| manifest.object.pointer_mut(PROGRAM)) {
        *program = json!(executable.to_string_lossy());
    }
    super::placed(all, namespace)
}

/// The sandbox.
///
/// # Errors
/// When the fixture holds no manifest, which tests exclude.
pub(super) fn sandbox(namespace: &str) -> Result<Manifest> {
    let (name, text) = SANDBOX;
    let all = super::placed(manifest::parse(name, text)?, namespace)?;
    all.into_iter().next().context("the demo's sandbox fixture is empty")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fixture_of_the_demo_is_embedded_and_is_a_manifest() {
        let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/demo");
        let files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let mut names: Vec<String> = files
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .map(|path| path.file_name().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let mut embedded: Vec<&str> = SHOP.iter().chain([&SANDBOX]).map(|(name, _)| *name).collect();
        embedded.sort_unstable();
        assert_eq!(names, embedded);
        let shop = shop("default", Path::new("/x/spur-1.2")).unwrap();
        let programs: Vec<_> = shop.iter().filter_map(|manifest| manifest.object.pointer(PROGRAM)).collect();
        assert_eq!((shop.len(), programs), (10, vec![&json!("/x/spur-1.2"); 5]));
        assert_eq!(sandbox("default").unwrap().kind.kind, "Sandbox");
    }
}
