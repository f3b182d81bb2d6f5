//! The files that a ConfigMap, a Secret and the pod's own fields give.
//!
//! Source: `MakePayload` of `pkg/volume/configmap` and `pkg/volume/secret`, `CollectData` of
//! `pkg/volume/downwardapi`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapProjection, ConfigMapVolumeSource, DownwardAPIVolumeFile, KeyToPath, SecretProjection,
    SecretVolumeSource,
};
use spur_runtime::volumes::File;

use super::super::environment::Sources;
use super::super::{field, resource};
use super::{Fault, VolumeSources};

/// What the API fills in (`pkg/apis/core/v1/defaults.go`, `…VolumeSourceDefaultMode`).
const DEFAULT_MODE: i32 = 0o644;

/// Files by their paths.
pub(super) type Files = BTreeMap<String, File>;

/// An object whose keys become files; volumes and projections say it alike.
pub(super) struct Keyed<'a> {
    name: &'a str,
    items: &'a [KeyToPath],
    is_optional: bool,
}

pub(super) fn of_config_map(
    keyed: &Keyed<'_>,
    default_mode: Option<i32>,
    sources: &Sources<'_>,
) -> Result<Files, Fault> {
    let found = sources.config_maps.get(keyed.name);
    if found.is_none() && !keyed.is_optional {
        return Err(Fault::NoConfigMap { name: keyed.name.to_owned() });
    }
    // Text comes after bytes, so that it wins where a key is both, which the API refuses.
    let bytes = found.and_then(|map| map.binary_data.as_ref()).into_iter().flatten();
    let text = found.and_then(|map| map.data.as_ref()).into_iter().flatten();
    let bytes = bytes.map(|(key, value)| (key.as_str(), value.0.as_slice()));
    let data = bytes.chain(text.map(|(key, value)| (key.as_str(), value.as_bytes()))).collect();
    let missing = |key| Fault::NoConfigMapKey { key };
    chosen(&data, keyed, default_mode, missing)
}

pub(super) fn of_secret(
    keyed: &Keyed<'_>,
    default_mode: Option<i32>,
    sources: &Sources<'_>,
) -> Result<Files, Fault> {
    let found = sources.secrets.get(keyed.name);
    if found.is_none() && !keyed.is_optional {
        return Err(Fault::NoSecret { name: keyed.name.to_owned() });
    }
    let data = found.and_then(|secret| secret.data.as_ref()).into_iter().flatten();
    let data = data.map(|(key, value)| (key.as_str(), value.0.as_slice())).collect();
    chosen(&data, keyed, default_mode, |key| Fault::NoSecretKey { key })
}

/// All keys under their own names, or those of the items under theirs.
fn chosen(
    data: &BTreeMap<&str, &[u8]>,
    keyed: &Keyed<'_>,
    default_mode: Option<i32>,
    missing: impl Fn(String) -> Fault,
) -> Result<Files, Fault> {
    if keyed.items.is_empty() {
        let whole = data.iter().map(|(key, bytes)| ((*key).to_owned(), file(bytes, None, default_mode)));
        return Ok(whole.collect());
    }
    let mut files = Files::new();
    for KeyToPath { key, mode, path } in keyed.items {
        match data.get(key.as_str()) {
            Some(bytes) => drop(files.insert(path.clone(), file(bytes, *mode, default_mode))),
            None if keyed.is_optional => {}
            None => return Err(missing(key.clone())),
        }
    }
    Ok(files)
}

/// The pod's own fields.
pub(super) fn downward<'a>(
    items: impl Iterator<Item = &'a DownwardAPIVolumeFile>,
    default_mode: Option<i32>,
    sources: VolumeSources<'_>,
) -> Result<Files, Fault> {
    let (mut files, mut faults) = (Files::new(), Vec::new());
    for item in items {
        match downward_value(item, sources) {
            Ok(value) => {
                files.insert(item.path.clone(), file(value.as_bytes(), item.mode, default_mode));
            }
            Err(fault) => faults.push(fault),
        }
    }
    Fault::of(faults).map_or(Ok(files), Err)
}

fn downward_value(item: &DownwardAPIVolumeFile, sources: VolumeSources<'_>) -> Result<String, Fault> {
    let DownwardAPIVolumeFile { field_ref, resource_field_ref, mode: _, path: _ } = item;
    let pod = sources.sources.pod;
    if let Some(selector) = field_ref {
        let path = &selector.field_path;
        return field::of_file(pod, path).ok_or_else(|| Fault::Field { path: path.clone() });
    }
    match resource_field_ref {
        Some(selector) => Ok(resource::of_pod(pod, selector, &sources.place.allocatable)?),
        None => Ok(String::new()),
    }
}

pub(super) fn file(bytes: &[u8], mode: Option<i32>, default_mode: Option<i32>) -> File {
    let mode = mode.or(default_mode).unwrap_or(DEFAULT_MODE);
    // The API refuses what is below 0 or above 0777.
    File { bytes: bytes.to_vec(), mode: mode.unsigned_abs() & 0o777, owner: None }
}

// === impl Keyed ===

impl<'a> Keyed<'a> {
    fn new(name: &'a str, items: Option<&'a Vec<KeyToPath>>, optional: Option<bool>) -> Self {
        Self { name, items: items.map_or(&[], Vec::as_slice), is_optional: optional == Some(true) }
    }
}

impl<'a> From<&'a ConfigMapVolumeSource> for Keyed<'a> {
    fn from(source: &'a ConfigMapVolumeSource) -> Self {
        let ConfigMapVolumeSource { name, items, optional, default_mode: _ } = source;
        Self::new(name, items.as_ref(), *optional)
    }
}

impl<'a> From<&'a SecretVolumeSource> for Keyed<'a> {
    fn from(source: &'a SecretVolumeSource) -> Self {
        let SecretVolumeSource { secret_name, items, optional, default_mode: _ } = source;
        Self::new(secret_name.as_deref().unwrap_or_default(), items.as_ref(), *optional)
    }
}

impl<'a> From<&'a ConfigMapProjection> for Keyed<'a> {
    fn from(source: &'a ConfigMapProjection) -> Self {
        let ConfigMapProjection { name, items, optional } = source;
        Self::new(name, items.as_ref(), *optional)
    }
}

impl<'a> From<&'a SecretProjection> for Keyed<'a> {
    fn from(source: &'a SecretProjection) -> Self {
        let SecretProjection { name, items, optional } = source;
        Self::new(name, items.as_ref(), *optional)
    }
}
