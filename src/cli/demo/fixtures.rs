//! The demo's objects, which are in this executable, so that it needs no files.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::json;
use spur_api::labels;

use crate::args::{DemoNetwork, DemoRuntime};
use crate::manifest::{self, Manifest};

/// `fixtures/demo/*.yaml`; a test holds the list complete.
const SHOP: [(&str, &str); 5] = [
    ("checkout.yaml", include_str!("../../../fixtures/demo/checkout.yaml")),
    ("frontend.yaml", include_str!("../../../fixtures/demo/frontend.yaml")),
    ("inventory.yaml", include_str!("../../../fixtures/demo/inventory.yaml")),
    ("pricing.yaml", include_str!("../../../fixtures/demo/pricing.yaml")),
    ("recommendation.yaml", include_str!("../../../fixtures/demo/recommendation.yaml")),
];

/// The container of a workload; each has one.
const CONTAINER: &str = "/spec/template/spec/containers/0";

/// An image of this executable, and where that is in it; `spur_runtime::docker` makes it.
const SELF_IMAGE: &str = "spur.dev/self";
const SELF_PROGRAM: &str = "/spur";

/// What is said of a workload's pods.
const POD_METADATA: &str = "/spec/template/metadata";

/// What the shop's services run: this executable, whatever it is called, and not another `spur` in
/// `PATH`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Program<'a> {
    At(&'a Path),
    InImage,
}

/// The sandbox that the demo creates.
const SANDBOX: (&str, &str) = ("sandbox.yaml", include_str!("../../../fixtures/demo/sandbox.yaml"));

/// The shop, in the order in which it is applied.
///
/// # Errors
/// When a fixture is no manifest, which tests exclude.
pub(super) fn shop(namespace: &str, program: &Program<'_>, network: DemoNetwork) -> Result<Vec<Manifest>> {
    let mut all = Vec::new();
    for (name, text) in SHOP {
        all.extend(manifest::parse(name, text)?);
    }
    for container in all.iter_mut().filter_map(|manifest| manifest.object.pointer_mut(CONTAINER)) {
        match program {
            Program::At(path) => container["command"][0] = json!(path.to_string_lossy()),
            Program::InImage => {
                container["command"][0] = json!(SELF_PROGRAM);
                container["image"] = json!(SELF_IMAGE);
            }
        }
    }
    if network == DemoNetwork::Private {
        for metadata in all.iter_mut().filter_map(|manifest| manifest.object.pointer_mut(POD_METADATA)) {
            metadata["annotations"][labels::NETWORK] = json!("private");
        }
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

// === impl Program ===

impl<'a> Program<'a> {
    pub(super) fn of(runtime: DemoRuntime, executable: &'a Path) -> Self {
        match runtime {
            DemoRuntime::Process => Self::At(executable),
            DemoRuntime::Docker => Self::InImage,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NETWORK: &str = "/spec/template/metadata/annotations/spur.dev~1network";

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
        let check = |program: Program<'_>, wanted: (&str, serde_json::Value)| {
            let shop = shop("default", &program, DemoNetwork::Shared).unwrap();
            assert!(shop.iter().all(|manifest| manifest.object.pointer(NETWORK).is_none()));
            let containers = shop.iter().filter_map(|manifest| manifest.object.pointer(CONTAINER));
            let programs: Vec<_> =
                containers.map(|one| (one["command"][0].clone(), one["image"].clone())).collect();
            assert_eq!((shop.len(), programs), (10, vec![(json!(wanted.0), wanted.1); 5]));
        };
        check(Program::At(Path::new("/x/spur-1.2")), ("/x/spur-1.2", json!(null)));
        check(Program::InImage, ("/spur", json!("spur.dev/self")));
        let private = shop("default", &Program::InImage, DemoNetwork::Private).unwrap();
        let networks = private.iter().filter_map(|manifest| manifest.object.pointer(NETWORK));
        assert_eq!(networks.collect::<Vec<_>>(), vec!["private"; 5]);
        assert_eq!(sandbox("default").unwrap().kind.kind, "Sandbox");
    }
}
