//! Who may import whom: the table of `docs/architecture.md`, held over `cargo metadata`.
//!
//! Only normal dependencies count; tests may reach upward.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

/// Crate and what of ours it may import.
const LAYERS: &[(&str, &[&str])] = &[
    ("spur-schema", &[]),
    ("spur-net", &[]),
    ("spur-holder", &[]),
    ("spur-route", &[]),
    ("spur-api", &["spur-schema"]),
    ("spur-store", &["spur-api"]),
    ("spur-trace", &["spur-route"]),
    ("spur-intake", &["spur-trace", "spur-route", "spur-net"]),
    ("spur-istio", &["spur-route", "spur-schema"]),
    ("spur-runtime", &["spur-net", "spur-holder"]),
    ("spur-sdk", &["spur-api"]),
    ("spur-proxy", &["spur-route", "spur-trace", "spur-net"]),
    (
        "spur-server",
        &[
            "spur-api",
            "spur-schema",
            "spur-istio",
            "spur-route",
            "spur-store",
            "spur-trace",
            "spur-runtime",
            "spur-net",
        ],
    ),
    ("spur-compile", &["spur-api", "spur-istio", "spur-route"]),
    (
        "spur-control",
        &["spur-sdk", "spur-api", "spur-compile", "spur-istio", "spur-route", "spur-runtime", "spur-net"],
    ),
    ("spur-tui", &["spur-api", "spur-route", "spur-trace"]),
    ("spur-cli", &["spur-sdk", "spur-api", "spur-compile", "spur-route", "spur-trace", "spur-tui"]),
    ("sample-services", &["spur-sdk"]),
];

/// Crates from outside that only one of ours may know.
const OWNED: &[(&str, &str)] = &[
    ("redb", "spur-store"),
    ("axum", "spur-server"),
    ("rustix", "spur-runtime"),
    ("ratatui", "spur-tui"),
    ("crossterm", "spur-tui"),
];

/// Who else may use an owned crate, and why: samples are axum services of their
/// own, the store asks for free space, the command line ends the process group
/// of the command that `spur test` runs, the terminal interface stops itself on Ctrl-Z, the holder
/// passes descriptors, and the proxy sends datagrams without waiting.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("axum", "sample-services"),
    ("rustix", "spur-store"),
    ("rustix", "spur-cli"),
    ("rustix", "spur-tui"),
    ("rustix", "spur-holder"),
    ("rustix", "spur-proxy"),
];

fn members() -> Vec<Package> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let metadata = MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata");
    metadata.packages.into_iter().filter(|package| package.name.as_str() != "spur").collect()
}

fn normal_dependencies(package: &Package) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.map(|dependency| dependency.name.clone()).collect()
}

#[test]
fn crates_import_only_what_lies_below_them() {
    let allowed: BTreeMap<&str, &[&str]> = LAYERS.iter().copied().collect();
    let members = members();
    let names: BTreeSet<&str> = members.iter().map(|package| package.name.as_str()).collect();
    assert_eq!(names, allowed.keys().copied().collect(), "every crate has its row in LAYERS");
    for package in &members {
        let ours = normal_dependencies(package);
        for dependency in ours.iter().filter(|dependency| names.contains(dependency.as_str())) {
            let is_allowed = allowed[package.name.as_str()].contains(&dependency.as_str());
            assert!(is_allowed, "`{}` must not import `{dependency}`", package.name);
        }
    }
}

#[test]
fn each_foreign_concern_has_one_home() {
    for package in members() {
        for dependency in normal_dependencies(&package) {
            let Some((_, owner)) = OWNED.iter().find(|(name, _)| *name == dependency) else { continue };
            let is_excepted = EXCEPTIONS.contains(&(dependency.as_str(), package.name.as_str()));
            assert!(
                package.name.as_str() == *owner || is_excepted,
                "`{}` must not use `{dependency}`",
                package.name
            );
        }
    }
}

#[test]
fn no_folder_in_src_is_without_a_crate() {
    let src = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    for entry in std::fs::read_dir(src).expect("src") {
        let path = entry.expect("an entry").path();
        assert!(!path.is_dir() || path.join("Cargo.toml").is_file(), "{}", path.display());
    }
}
