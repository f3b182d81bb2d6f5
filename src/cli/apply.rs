//! `spur apply`: server-side apply of files, in an order that works.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use http::Method;
use serde_json::{Value, json};
use spur_api::{Scope, meta, registry};

use crate::args::{ApplyArgs, Format};
use crate::client::{ApiError, Client};
use crate::console::Console;
use crate::error::{Exit, Failure};
use crate::kinds;
use crate::manifest::{self, Depth, Manifest};
use crate::render::{self, Objects};

/// The manager that fields belong to after `spur apply`.
const FIELD_MANAGER: &str = "spur";

/// The media type of server-side apply
/// (<https://kubernetes.io/docs/reference/using-api/server-side-apply/>).
const APPLY: &str = "application/apply-patch+yaml";

/// How objects are applied.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Take over fields of others.
    pub(crate) forces: bool,
    /// Change nothing.
    pub(crate) is_dry_run: bool,
}

/// What an apply did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Applied {
    pub(crate) object: Value,
    pub(crate) what: What,
    pub(crate) warnings: Vec<String>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Created,
    Configured,
    Unchanged,
}

/// Runs `spur apply`.
pub(crate) async fn run(args: &ApplyArgs, client: &Client, console: &mut Console) -> Result<Exit> {
    let ApplyArgs { filename, recursive, namespace, force_conflicts, dry_run, output } = args;
    let depth = if *recursive { Depth::Recursive } else { Depth::Flat };
    let mut manifests = manifest::read_all_for(client, filename, depth).await?;
    for manifest in &mut manifests {
        place_in_namespace(manifest, namespace.as_deref(), client.namespace())?;
    }
    check_namespaces(&manifests, client).await?;
    let how = How { forces: *force_conflicts, is_dry_run: *dry_run };
    let mut objects = Vec::new();
    let mut exit = Exit::Success;
    // One bad object does not keep the others from being applied, as with `kubectl`.
    for manifest in &manifests {
        match apply(client, manifest, how).await {
            Ok(applied) => {
                for warning in &applied.warnings {
                    console.talk(&format!("{} {warning}", console.talk_paint().yellow("warning:")));
                }
                if output.is_none() {
                    let suffix = if how.is_dry_run { " (server dry run)" } else { "" };
                    let name = kinds::named_object(&applied.object);
                    console.line(&format!("{name} {}{suffix}", applied.what.word()))?;
                }
                objects.push(applied.object);
            }
            Err(error) if error.downcast_ref::<ApiError>().is_some_and(is_about_the_object) => {
                exit = crate::error::report(console, &error);
            }
            Err(error) => return Err(error),
        }
    }
    if let Some(format) = output {
        let objects = match (objects.pop(), objects.is_empty()) {
            (Some(one), true) if *format != Format::Name => Objects::One(one),
            (last, _) => {
                objects.extend(last);
                Objects::Many(objects)
            }
        };
        console.bytes(render::objects(format, objects)?.as_bytes())?;
    }
    Ok(exit)
}

/// Applies one object.
///
/// # Errors
/// As the server says, with the object's place before it.
pub(crate) async fn apply(client: &Client, manifest: &Manifest, how: How) -> Result<Applied> {
    let Manifest { kind, object, place } = manifest;
    let path = kinds::object_path(kind, meta::namespace(object), meta::name(object));
    let context = || format!("{place}: failed to apply {}", kinds::named(kind, meta::name(object)));
    let before = match client.get(&path).await {
        Ok(before) => Some(before),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error).with_context(context),
    };
    let query = kinds::query(&[
        ("fieldManager", Some(FIELD_MANAGER)),
        // A misspelt field is an error, as with `kubectl apply`.
        ("fieldValidation", Some("Strict")),
        ("force", how.forces.then_some("true")),
        ("dryRun", how.is_dry_run.then_some("All")),
    ]);
    let sent = client.send(Method::PATCH, &(path + &query), APPLY, object).await;
    let answer = sent.with_context(context)?;
    let what = match &before {
        None => What::Created,
        Some(_) if answer.is_created => What::Created,
        Some(before) if is_same(before, &answer.value) => What::Unchanged,
        Some(_) => What::Configured,
    };
    Ok(Applied { object: answer.value, what, warnings: answer.warnings })
}

/// Puts the namespace into an object that names none.
///
/// # Errors
/// When the object names another one than `-n`.
pub(crate) fn place_in_namespace(
    manifest: &mut Manifest,
    wanted: Option<&str>,
    default: &str,
) -> Result<(), Failure> {
    if manifest.kind.scope == Scope::Cluster {
        return Ok(());
    }
    let found = meta::namespace(&manifest.object);
    match wanted {
        Some(wanted) if !found.is_empty() && found != wanted => {
            let name = kinds::named_object(&manifest.object);
            let place = &manifest.place;
            let message = format!("{place}: {name} is in namespace `{found}`, but -n says `{wanted}`");
            return Err(Failure::usage(message).hint("leave out -n, or `metadata.namespace`"));
        }
        _ if found.is_empty() => {
            let namespace = json!(wanted.unwrap_or(default));
            meta::metadata_mut(&mut manifest.object).insert("namespace".to_owned(), namespace);
        }
        _ => {}
    }
    Ok(())
}

/// Fails early, and once, where a namespace is missing; the server would say so for each object.
async fn check_namespaces(manifests: &[Manifest], client: &Client) -> Result<()> {
    let kind = registry::by_kind("v1", "Namespace").expect("namespaces are served");
    let made: HashSet<&str> = manifests
        .iter()
        .filter(|manifest| manifest.kind.kind == kind.kind)
        .map(|manifest| meta::name(&manifest.object))
        .collect();
    let mut checked = HashSet::new();
    for manifest in manifests {
        let namespace = meta::namespace(&manifest.object);
        if namespace.is_empty() || made.contains(namespace) || !checked.insert(namespace) {
            continue;
        }
        match client.get(&kinds::object_path(kind, "", namespace)).await {
            Ok(_) => {}
            Err(error) if error.is_not_found() => {
                let message = format!("{}: there is no namespace `{namespace}`", manifest.place);
                let hint = "put a Namespace of that name into one of the files, or give another one with -n";
                bail!(Failure::new(message).hint(hint));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Whether nothing was changed: a dry run keeps the resourceVersion, and then
/// the objects are compared without what the server keeps of its own.
fn is_same(before: &Value, after: &Value) -> bool {
    let without_bookkeeping = |object: &Value| {
        let mut object = object.clone();
        let metadata = meta::metadata_mut(&mut object);
        for field in ["managedFields", "generation"] {
            metadata.remove(field);
        }
        object
    };
    meta::resource_version(before) == meta::resource_version(after)
        && without_bookkeeping(before) == without_bookkeeping(after)
}

fn is_about_the_object(error: &ApiError) -> bool {
    matches!(error, ApiError::Status(status) if (400..500).contains(&status.code))
}

// === impl What ===

impl What {
    /// The word in `deployment.apps/web created`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}
