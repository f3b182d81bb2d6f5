//! Several sources in one volume.
//!
//! Source: `pkg/volume/projected/projected.go`, `collectData`: each source is tried, what is wrong
//! with all of them is told, and the later of two files of one path is taken.

use k8s_openapi::api::core::v1::{ProjectedVolumeSource, ServiceAccountTokenProjection, VolumeProjection};

use super::files::{self, Files};
use super::{Fault, TokenAsk, VolumeSources, not_supported, ownership};

/// How long a token lasts where the pod does not say
/// (`pkg/apis/core/v1/defaults.go`, `SetDefaults_ServiceAccountTokenProjection`: 1 hour).
const TOKEN_LASTS_SECONDS: i64 = 3600;
/// Of a token where the files have a user or group of their own (`collectData`).
const TOKEN_MODE: i32 = 0o600;

pub(super) fn ask(source: &ServiceAccountTokenProjection) -> TokenAsk {
    let ServiceAccountTokenProjection { audience, expiration_seconds, path: _ } = source;
    TokenAsk {
        audience: audience.clone().filter(|audience| !audience.is_empty()),
        expiration_seconds: expiration_seconds.unwrap_or(TOKEN_LASTS_SECONDS),
    }
}

pub(super) fn files(
    source: &ProjectedVolumeSource,
    volume: &str,
    sources: VolumeSources<'_>,
) -> Result<Files, Fault> {
    let ProjectedVolumeSource { default_mode, sources: projections } = source;
    let (mut all, mut faults) = (Files::new(), Vec::new());
    for projection in projections.iter().flatten() {
        match of_one(projection, *default_mode, volume, sources) {
            Ok(files) => all.extend(files),
            Err(fault) => faults.push(fault),
        }
    }
    Fault::of(faults).map_or(Ok(all), Err)
}

fn of_one(
    projection: &VolumeProjection,
    mode: Option<i32>,
    volume: &str,
    sources: VolumeSources<'_>,
) -> Result<Files, Fault> {
    let VolumeProjection {
        config_map,
        secret,
        downward_api,
        service_account_token,
        cluster_trust_bundle,
        pod_certificate,
    } = projection;
    if let Some(source) = secret {
        return files::of_secret(&source.into(), mode, sources.sources);
    }
    if let Some(source) = config_map {
        return files::of_config_map(&source.into(), mode, sources.sources);
    }
    if let Some(source) = downward_api {
        return files::downward(source.items.iter().flatten(), mode, sources);
    }
    if let Some(source) = service_account_token {
        return token(source, mode, sources);
    }
    let other = [
        (cluster_trust_bundle.is_some(), "clusterTrustBundle"),
        (pod_certificate.is_some(), "podCertificate"),
    ];
    match other.into_iter().find(|(is_asked, _)| *is_asked) {
        Some((_, field)) => Err(not_supported(volume, &format!("projected.sources[].{field}"))),
        None => Ok(Files::new()),
    }
}

fn token(
    source: &ServiceAccountTokenProjection,
    mode: Option<i32>,
    sources: VolumeSources<'_>,
) -> Result<Files, Fault> {
    let ask = ask(source);
    let Some(token) = sources.tokens.get(&ask) else {
        return Err(Fault::NoToken { audience: ask.audience.unwrap_or_default() });
    };
    let pod = sources.sources.pod;
    let owner = ownership::user(pod);
    let is_given = owner.is_some() || ownership::group(pod).is_some();
    let mut file = files::file(token.as_bytes(), is_given.then_some(TOKEN_MODE), mode);
    file.owner = owner;
    Ok(Files::from([(source.path.clone(), file)]))
}
