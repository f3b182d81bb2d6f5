//! Where a container sees the pod's volumes.
//!
//! Source: `pkg/kubelet/kubelet_pods.go`, `makeMounts`, whose words the first faults have;
//! `pkg/apis/core/validation`, `ValidateVolumeMounts`, for those that the API would refuse.

use std::cell::RefCell;
use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Container, Volume, VolumeMount};

use super::super::environment::Variables;
use super::super::expand::expand;

/// A volume, or a place in it, as a container sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The volume's name.
    pub(crate) volume: String,
    /// Absolute.
    pub(crate) mount_path: String,
    /// Relative to the volume, without `..`; to be resolved by `spur_runtime::volumes::sub_path`.
    pub(crate) sub_path: Option<String>,
    pub(crate) is_read_only: bool,
}

/// Why a container cannot be given its volumes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MountError {
    #[error("missing value for {}", .names.join(", "))]
    NoVariable { names: Vec<String> },
    #[error("error SubPath `{sub_path}` must not be an absolute path")]
    Absolute { sub_path: String },
    #[error("unable to provision SubPath `{sub_path}`: must not contain '..'")]
    Upwards { sub_path: String },
    #[error("cannot find volume \"{volume}\" to mount into container \"{container}\"")]
    NoVolume { volume: String, container: String },
    #[error("mountPath {path:?} of volume `{volume}` {found}")]
    Path { path: String, volume: String, found: &'static str },
    #[error("subPath and subPathExpr of volume `{volume}` are mutually exclusive")]
    Both { volume: String },
    #[error("`{field}` of volume `{volume}` is not supported")]
    NotSupported { volume: String, field: &'static str },
}

/// The mounts of a container whose variables these are, in its own order.
pub(crate) fn mounts(
    container: &Container,
    volumes: &[Volume],
    variables: &Variables,
) -> Result<Vec<Mount>, MountError> {
    let mut taken = BTreeSet::new();
    let mut mounts = Vec::new();
    for asked in container.volume_mounts.iter().flatten() {
        let volume = volumes.iter().find(|volume| volume.name == asked.name);
        let volume = volume.ok_or_else(|| MountError::NoVolume {
            volume: asked.name.clone(),
            container: container.name.clone(),
        })?;
        refuse_unsupported(asked)?;
        let mount_path = mount_path(asked)?;
        if !taken.insert(mount_path.clone()) {
            return Err(path_fault(asked, "must be unique"));
        }
        mounts.push(Mount {
            volume: asked.name.clone(),
            mount_path,
            sub_path: sub_path(asked, variables)?,
            is_read_only: asked.read_only == Some(true) || is_read_only(volume),
        });
    }
    Ok(mounts)
}

fn refuse_unsupported(asked: &VolumeMount) -> Result<(), MountError> {
    let refused = |field| Err(MountError::NotSupported { volume: asked.name.clone(), field });
    match asked.mount_propagation.as_deref() {
        None | Some("" | "None") => {}
        Some("HostToContainer") => return refused("mountPropagation HostToContainer"),
        Some("Bidirectional") => return refused("mountPropagation Bidirectional"),
        Some(_) => return refused("mountPropagation"),
    }
    match asked.recursive_read_only.as_deref() {
        // Nothing is mounted below a volume, so that read only is so all the way down.
        None | Some("" | "Disabled" | "IfPossible" | "Enabled") => Ok(()),
        Some(_) => refused("recursiveReadOnly"),
    }
}

/// A relative path counts from `/` (`MakeAbsolutePath`).
fn mount_path(asked: &VolumeMount) -> Result<String, MountError> {
    let path = &asked.mount_path;
    if path.is_empty() {
        return Err(path_fault(asked, "must not be empty"));
    }
    if path.contains(':') {
        return Err(path_fault(asked, "must not contain ':'"));
    }
    if path.contains('\0') {
        return Err(path_fault(asked, "must not contain NUL"));
    }
    Ok(if path.starts_with('/') { path.clone() } else { format!("/{path}") })
}

fn path_fault(asked: &VolumeMount, found: &'static str) -> MountError {
    MountError::Path { path: asked.mount_path.clone(), volume: asked.name.clone(), found }
}

fn sub_path(asked: &VolumeMount, variables: &Variables) -> Result<Option<String>, MountError> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let sub_path = match (given(&asked.sub_path), given(&asked.sub_path_expr)) {
        (Some(_), Some(_)) => return Err(MountError::Both { volume: asked.name.clone() }),
        (None, None) => return Ok(None),
        (Some(sub_path), None) => sub_path,
        (None, Some(expression)) => expanded(&expression, variables)?,
    };
    if sub_path.starts_with('/') {
        return Err(MountError::Absolute { sub_path });
    }
    if sub_path.split('/').any(|name| name == "..") {
        return Err(MountError::Upwards { sub_path });
    }
    Ok(Some(sub_path))
}

/// Other than in commands, what is missing or empty is a fault (`ExpandContainerVolumeMounts`).
fn expanded(expression: &str, variables: &Variables) -> Result<String, MountError> {
    let missing = RefCell::new(BTreeSet::new());
    let text = expand(expression, |name| {
        let value = variables.get(name).map(String::as_str).filter(|value| !value.is_empty());
        if value.is_none() {
            missing.borrow_mut().insert(name.to_owned());
        }
        value
    });
    let missing = missing.into_inner();
    match missing.is_empty() {
        true => Ok(text),
        false => Err(MountError::NoVariable { names: missing.into_iter().collect() }),
    }
}

/// Whether the volume says so itself: what Spur writes, programs only read.
fn is_read_only(volume: &Volume) -> bool {
    let is_files = volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some();
    let claim = volume.persistent_volume_claim.as_ref();
    is_files || claim.is_some_and(|claim| claim.read_only == Some(true))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn resolve(mounted: Value) -> Result<Vec<Mount>, String> {
        let container = json!({"name": "a", "volumeMounts": mounted});
        let volumes = json!([
            {"name": "tmp", "emptyDir": {}},
            {"name": "cfg", "configMap": {"name": "x"}},
            {"name": "data", "persistentVolumeClaim": {"claimName": "c", "readOnly": true}},
        ]);
        let variables = Variables::from([
            ("POD".to_owned(), "p-0".to_owned()),
            ("UP".to_owned(), "../x".to_owned()),
            ("NONE".to_owned(), String::new()),
        ]);
        let container = serde_json::from_value(container).unwrap();
        let volumes: Vec<Volume> = serde_json::from_value(volumes).unwrap();
        mounts(&container, &volumes, &variables).map_err(|error| error.to_string())
    }

    fn check(mount: Value, (path, sub_path, is_read_only): (&str, Option<&str>, bool)) {
        let wanted = Mount {
            volume: mount["name"].as_str().unwrap().to_owned(),
            mount_path: path.to_owned(),
            sub_path: sub_path.map(str::to_owned),
            is_read_only,
        };
        assert_eq!(resolve(json!([mount])), Ok(vec![wanted]), "{mount}");
    }

    #[test]
    fn volumes_are_seen_where_the_container_says() {
        check(json!({"name": "tmp", "mountPath": "/tmp"}), ("/tmp", None, false));
        check(json!({"name": "tmp", "mountPath": "tmp", "readOnly": true}), ("/tmp", None, true));
        check(json!({"name": "cfg", "mountPath": "/c"}), ("/c", None, true));
        check(json!({"name": "data", "mountPath": "/d"}), ("/d", None, true));
        check(json!({"name": "cfg", "mountPath": "/c", "subPath": "a/b"}), ("/c", Some("a/b"), true));
        let expression = json!({"name": "tmp", "mountPath": "/t", "subPathExpr": "x/$(POD)/$$(POD)"});
        check(expression, ("/t", Some("x/p-0/$(POD)"), false));
        check(json!({"name": "tmp", "mountPath": "/t", "mountPropagation": "None"}), ("/t", None, false));
    }

    #[test]
    fn what_cannot_be_mounted_is_told() {
        let check = |mount: Value, wanted: &str| {
            assert_eq!(resolve(json!([mount])), Err(wanted.to_owned()), "{mount}");
        };
        let missing = json!({"name": "none", "mountPath": "/t"});
        check(missing, "cannot find volume \"none\" to mount into container \"a\"");
        let at = |path: &str| json!({"name": "tmp", "mountPath": path});
        check(at(""), "mountPath \"\" of volume `tmp` must not be empty");
        check(at("/a:b"), "mountPath \"/a:b\" of volume `tmp` must not contain ':'");
        let sub = |field: &str, path: &str| json!({"name": "tmp", "mountPath": "/t", field: path});
        check(sub("subPath", "/x"), "error SubPath `/x` must not be an absolute path");
        check(sub("subPath", "a/../b"), "unable to provision SubPath `a/../b`: must not contain '..'");
        check(sub("subPathExpr", "a/$(UP)"), "unable to provision SubPath `a/../x`: must not contain '..'");
        check(sub("subPathExpr", "$(Z)/$(NONE)"), "missing value for NONE, Z");
        let both = json!({"name": "tmp", "mountPath": "/t", "subPath": "a", "subPathExpr": "b"});
        check(both, "subPath and subPathExpr of volume `tmp` are mutually exclusive");
        let shared = json!({"name": "tmp", "mountPath": "/t", "mountPropagation": "Bidirectional"});
        check(shared, "`mountPropagation Bidirectional` of volume `tmp` is not supported");
        let twice = json!([at("/t"), {"name": "cfg", "mountPath": "t"}]);
        assert_eq!(resolve(twice), Err("mountPath \"t\" of volume `cfg` must be unique".to_owned()));
    }
}
