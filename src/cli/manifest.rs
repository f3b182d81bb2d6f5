//! Files of objects: read, split, checked for what they must have, and sorted
//! so that what others need comes first.

use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::Value;
use spur_api::yaml::{self, YamlError};
use spur_api::{Kind, REGISTRY, meta, registry};
use spur_compile::files::File;

use crate::client::Client;
use crate::custom_kinds;

/// Largest file. Objects are at most 3 MiB each; this is a chart of hundreds.
const FILE_MAX_BYTES: u64 = 64 << 20;

/// An object from a file.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) kind: &'static Kind,
    pub(crate) object: Value,
    /// `shop.yaml`, or `shop.yaml, document 2` where it holds several.
    pub(crate) place: String,
}

/// Whether directories are looked into below the first level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// The files of the directory.
    Flat,
    /// Those of every directory below, too.
    Recursive,
}

/// A file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ManifestError {
    #[error("failed to read `{path}`")]
    Read { path: String, source: std::io::Error },
    #[error("failed to read `{path}`: found more than {} MiB", FILE_MAX_BYTES >> 20)]
    TooLarge { path: String },
    #[error("`{path}` holds no YAML or JSON file")]
    EmptyDirectory { path: String },
    #[error("`{path}` holds no object")]
    Empty { path: String },
    #[error("{path}{}", broken(.fault))]
    Yaml { path: String, fault: YamlError },
    #[error("{place}: found no object, want a map with `apiVersion` and `kind`")]
    NoObject { place: String },
    #[error("{place}: `{field}` is missing")]
    Missing { place: String, field: &'static str },
    #[error("{place}: `{kind}` of `{api_version}` is no kind that spur serves (object `{name}`)")]
    UnknownKind { place: String, api_version: String, kind: String, name: String },
}

/// Reads files, directories and `-`; the result is sorted. Kinds are the bundled ones and those
/// that the files themselves define.
///
/// # Errors
/// On the first file or document that cannot be used.
pub(crate) fn read_all<S: AsRef<str>>(names: &[S], depth: Depth) -> Result<Vec<Manifest>, ManifestError> {
    let files = texts(names, depth)?;
    objects(&files, &defined_in(&files))
}

/// As [`read_all`]; the server is asked for kinds that are not known.
///
/// # Errors
/// On the first file or document that cannot be used.
pub(crate) async fn read_all_for<S: AsRef<str>>(
    client: &Client,
    names: &[S],
    depth: Depth,
) -> Result<Vec<Manifest>, ManifestError> {
    let files = texts(names, depth)?;
    let mut custom = defined_in(&files);
    let error = match objects(&files, &custom) {
        Err(error @ ManifestError::UnknownKind { .. }) => error,
        outcome => return outcome,
    };
    match custom_kinds::served(client).await {
        Ok(served) => {
            custom.extend(served);
            objects(&files, &custom)
        }
        Err(_) => Err(error),
    }
}

/// The kinds that files define.
fn defined_in(files: &[File]) -> Vec<&'static Kind> {
    const DEFINITION: &str = "CustomResourceDefinition";
    let files = files.iter().filter(|file| file.text.contains(DEFINITION));
    let documents = files.filter_map(|file| yaml::documents(&file.text).ok()).flatten();
    let definitions = documents.filter(|document| meta::text(document, "/kind") == DEFINITION);
    definitions.flat_map(|definition| custom_kinds::defined_by(&definition)).collect()
}

/// What is in files, in the files of directories, and in `-`, standard input.
///
/// # Errors
/// On the first that cannot be read.
pub(crate) fn texts<S: AsRef<str>>(names: &[S], depth: Depth) -> Result<Vec<File>, ManifestError> {
    let mut all = Vec::new();
    for name in names {
        match name.as_ref() {
            "-" => all.push(read("standard input", std::io::stdin().lock())?),
            path => {
                for file in files(Path::new(path), depth)? {
                    let path = file.display().to_string();
                    let open = std::fs::File::open(&file);
                    let open = open.map_err(|source| ManifestError::Read { path: path.clone(), source })?;
                    all.push(read(&path, open)?);
                }
            }
        }
    }
    Ok(all)
}

/// As [`texts`], for the binary.
///
/// # Errors
/// On the first file or directory that cannot be read.
pub fn texts_of(names: &[PathBuf]) -> anyhow::Result<Vec<File>> {
    let names: Vec<String> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    Ok(texts(&names, Depth::Flat)?)
}

fn objects(files: &[File], custom: &[&'static Kind]) -> Result<Vec<Manifest>, ManifestError> {
    let mut all = Vec::new();
    for file in files {
        all.extend(parse_with(&file.path, &file.text, custom)?);
    }
    sort(&mut all);
    Ok(all)
}

/// The objects in a text; `path` is for messages.
///
/// # Errors
/// When it is no YAML, or a document is no object of a kind that is served.
pub(crate) fn parse(path: &str, text: &str) -> Result<Vec<Manifest>, ManifestError> {
    parse_with(path, text, &[])
}

fn parse_with(path: &str, text: &str, custom: &[&'static Kind]) -> Result<Vec<Manifest>, ManifestError> {
    let documents =
        yaml::documents(text).map_err(|fault| ManifestError::Yaml { path: path.to_owned(), fault })?;
    if documents.is_empty() {
        return Err(ManifestError::Empty { path: path.to_owned() });
    }
    let n_documents = documents.len();
    let mut all = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let place = match n_documents {
            1 => path.to_owned(),
            _ => format!("{path}, document {}", index + 1),
        };
        add(place, document, custom, &mut all)?;
    }
    Ok(all)
}

/// Sorts so that what others need comes first; otherwise the order stays.
pub(crate) fn sort(manifests: &mut [Manifest]) {
    manifests.sort_by_key(|manifest| rank(manifest.kind));
}

/// Namespaces and definitions, then what pods read, then Services, whose addresses pods get,
/// then everything else, workloads, and last sandboxes, which fork them.
fn rank(kind: &Kind) -> u8 {
    match kind.kind {
        "Namespace" | "CustomResourceDefinition" => 0,
        "ConfigMap" | "Secret" | "ServiceAccount" => 1,
        "Service" => 2,
        "CronJob"
        | "DaemonSet"
        | "Deployment"
        | "Job"
        | "Pod"
        | "ReplicaSet"
        | "ReplicationController"
        | "StatefulSet" => 4,
        "Sandbox" => 5,
        _ => 3,
    }
}

fn read(path: &str, file: impl Read) -> Result<File, ManifestError> {
    let failed = |source| ManifestError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let n_bytes = file.take(FILE_MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if n_bytes as u64 > FILE_MAX_BYTES {
        return Err(ManifestError::TooLarge { path: path.to_owned() });
    }
    Ok(File { path: path.to_owned(), text })
}

/// A file itself, or the YAML and JSON files of a directory by name.
fn files(path: &Path, depth: Depth) -> Result<Vec<PathBuf>, ManifestError> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |source| ManifestError::Read { path, source }
    };
    if !std::fs::metadata(path).map_err(failed(path))?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut found = Vec::new();
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).map_err(failed(&directory))? {
            let entry = entry.map_err(failed(&directory))?.path();
            // A link to a directory is not followed, so that the walk ends.
            let is_directory = entry.is_dir() && !entry.is_symlink();
            if is_directory && depth == Depth::Recursive {
                directories.push(entry);
            } else if !is_directory && has_objects(&entry) {
                found.push(entry);
            }
        }
    }
    found.sort();
    if found.is_empty() {
        return Err(ManifestError::EmptyDirectory { path: path.display().to_string() });
    }
    Ok(found)
}

fn has_objects(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml" | "json"))
}

fn add(
    place: String,
    document: Value,
    custom: &[&'static Kind],
    all: &mut Vec<Manifest>,
) -> Result<(), ManifestError> {
    if !document.is_object() {
        return Err(ManifestError::NoObject { place });
    }
    let (api_version, kind) = (meta::text(&document, "/apiVersion"), meta::text(&document, "/kind"));
    for (field, text) in [("apiVersion", api_version), ("kind", kind)] {
        if text.is_empty() {
            return Err(ManifestError::Missing { place, field });
        }
    }
    if kind == "List" && api_version == "v1" {
        for (index, item) in meta::list(&document, "/items").iter().enumerate() {
            add(format!("{place}, item {}", index + 1), item.clone(), custom, all)?;
        }
        return Ok(());
    }
    let is_meant = |row: &&&'static Kind| row.kind == kind && row.api_version() == api_version;
    let found = registry::by_kind(api_version, kind).or_else(|| custom.iter().find(is_meant).copied());
    let Some(kind) = found else {
        let (api_version, kind) = (api_version.to_owned(), kind.to_owned());
        let name = meta::name(&document).to_owned();
        return Err(ManifestError::UnknownKind { place, api_version, kind, name });
    };
    if meta::name(&document).is_empty() {
        return Err(ManifestError::Missing { place, field: "metadata.name" });
    }
    all.push(Manifest { kind, object: document, place });
    Ok(())
}

/// `:4:7: what is wrong`, as compilers and editors have it.
fn broken(error: &YamlError) -> String {
    let YamlError { line, column, message } = error;
    let message = message.lines().next().unwrap_or_default();
    match (line, column) {
        (Some(line), Some(column)) => {
            // The parser's own words for the place would only repeat it, and
            // its advice is for programmers.
            let again = [
                format!(" at line {line}, column {column}"),
                format!("line {line} column {column}: "),
                ", set DuplicateKeyPolicy in Options if acceptable".to_owned(),
            ];
            let message = again.iter().fold(message.to_owned(), |message, again| message.replace(again, ""));
            format!(":{line}:{column}: {message}")
        }
        _ => format!(": {message}"),
    }
}

// === impl ManifestError ===

impl ManifestError {
    /// What the user may do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownKind { api_version, kind, .. } => Some(known(api_version, kind)),
            Self::EmptyDirectory { .. } => {
                Some("files end in .yaml, .yml or .json; -R looks into directories below".to_owned())
            }
            Self::Read { .. }
            | Self::TooLarge { .. }
            | Self::Empty { .. }
            | Self::Yaml { .. }
            | Self::NoObject { .. }
            | Self::Missing { .. } => None,
        }
    }
}

/// The nearest thing that is served.
fn known(api_version: &str, kind: &str) -> String {
    if let Some(row) = REGISTRY.iter().find(|row| row.kind.eq_ignore_ascii_case(kind)) {
        return format!("write `apiVersion: {}` and `kind: {}`", row.api_version(), row.kind);
    }
    let of_group: Vec<&str> =
        REGISTRY.iter().filter(|row| row.api_version() == api_version).map(|row| row.kind).collect();
    match of_group.as_slice() {
        [] => format!("kinds are {}", registry::stored().map(|row| row.kind).collect::<Vec<_>>().join(", ")),
        kinds => format!("`{api_version}` has {}", kinds.join(", ")),
    }
}

#[cfg(test)]
mod tests;
