use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Value, json};
use spur_runtime::volumes::File;

use super::*;
use crate::node::Allocatable;

/// What the one volume of a pod is.
fn plan(volume: Value) -> Result<Volume, Fault> {
    plan_in(volume, json!({}))
}

fn plan_in(mut volume: Value, security: Value) -> Result<Volume, Fault> {
    volume["name"] = json!("v");
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": "p", "namespace": "shop", "labels": {"app": "cart"}},
        "spec": {
            "containers": [{"name": "a", "resources": {"limits": {"cpu": "1500m"}}}],
            "securityContext": security, "volumes": [volume],
        },
    }))
    .unwrap();
    let map: ConfigMap = serde_json::from_value(json!({
        "metadata": {"name": "settings"}, "data": {"LEVEL": "debug", "raw": "$(LEVEL)"},
        "binaryData": {"logo": "/w=="},
    }))
    .unwrap();
    let secret: Secret =
        serde_json::from_value(json!({"metadata": {"name": "token"}, "data": {"TOKEN": "c2VzYW1l"}}))
            .unwrap();
    let sources = Sources {
        pod: &pod,
        config_maps: &BTreeMap::from([("settings".to_owned(), map)]),
        secrets: &BTreeMap::from([("token".to_owned(), secret)]),
    };
    let place = Place { allocatable: Allocatable { cpus: 4, memory_bytes: None }, ..Place::shared() };
    let ask = TokenAsk { audience: Some("vault".to_owned()), expiration_seconds: 600 };
    let tokens = BTreeMap::from([(ask, "signed".to_owned())]);
    let mut planned = planned(VolumeSources { sources: &sources, place: &place, tokens: &tokens });
    let (name, found) = planned.remove(0);
    assert_eq!((name.as_str(), planned.len()), ("v", 0));
    found
}

/// The files as `path=contents mode`.
fn shown(volume: &Volume) -> Vec<String> {
    let Volume::Files { payload, .. } = volume else { panic!("{volume:?}") };
    let text = |path: &String| {
        let File { bytes, mode, owner } = payload.get(path).unwrap();
        let owner = owner.map(|owner| format!(" {owner}")).unwrap_or_default();
        format!("{path}={} {mode:o}{owner}", String::from_utf8_lossy(bytes))
    };
    payload.paths().iter().map(text).collect()
}

fn check(volume: Value, wanted: &[&str]) {
    let found = plan(volume.clone()).unwrap_or_else(|fault| panic!("{volume}: {fault}"));
    assert_eq!(shown(&found), wanted, "{volume}");
}

fn check_fault(volume: Value, wanted: &str) {
    let fault = plan(volume.clone()).unwrap_err();
    assert_eq!(fault.to_string(), wanted, "{volume}");
    assert_eq!(fault.is_not_supported(), wanted.contains("is not supported"), "{volume}");
}

#[test]
fn config_maps_become_files() {
    let whole = ["LEVEL=debug 644", "logo=\u{fffd} 644", "raw=$(LEVEL) 644"];
    check(json!({"configMap": {"name": "settings"}}), &whole);
    let items = json!([{"key": "LEVEL", "path": "a/level", "mode": 0o600}, {"key": "raw", "path": "raw"}]);
    let chosen = json!({"configMap": {"name": "settings", "items": items, "defaultMode": 0o440}});
    check(chosen, &["a/level=debug 600", "raw=$(LEVEL) 440"]);
    check(json!({"configMap": {"name": "none", "optional": true}}), &[]);
    let items = json!([{"key": "none", "path": "none"}, {"key": "LEVEL", "path": "level"}]);
    let optional = json!({"configMap": {"name": "settings", "items": items, "optional": true}});
    check(optional, &["level=debug 644"]);
}

#[test]
fn secrets_become_files_in_memory() {
    let found = plan(json!({"secret": {"secretName": "token", "defaultMode": 0o400}})).unwrap();
    assert_eq!(shown(&found), ["TOKEN=sesame 400"]);
    assert!(matches!(found, Volume::Files { medium: Medium::Memory, .. }));
    check(json!({"secret": {"secretName": "none", "optional": true}}), &[]);
}

#[test]
fn the_pods_own_fields_become_files() {
    let items = json!([
        {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}},
        {"path": "name", "fieldRef": {"fieldPath": "metadata.name"}, "mode": 0o400},
        {"path": "cpu", "resourceFieldRef": {"containerName": "a", "resource": "limits.cpu", "divisor": "1m"}},
    ]);
    check(
        json!({"downwardAPI": {"items": items}}),
        &["cpu=1500 644", "labels=app=\"cart\" 644", "name=p 400"],
    );
}

#[test]
fn projections_are_put_into_one_volume() {
    let sources = json!([
        {"configMap": {"name": "settings", "items": [{"key": "LEVEL", "path": "same"}]}},
        {"secret": {"name": "token", "items": [{"key": "TOKEN", "path": "same"}]}},
        {"downwardAPI": {"items": [{"path": "ns", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        {"serviceAccountToken": {"path": "token", "audience": "vault", "expirationSeconds": 600}},
    ]);
    let volume = json!({"projected": {"sources": sources}});
    check(volume.clone(), &["ns=shop 644", "same=sesame 644", "token=signed 644"]);
    let found = plan_in(volume, json!({"fsGroup": 7, "runAsUser": 8})).unwrap();
    assert_eq!(shown(&found), ["ns=shop 644", "same=sesame 644", "token=signed 600 8"]);
    let Volume::Files { medium: Medium::Memory, payload } = found else { panic!("{found:?}") };
    assert_eq!(payload.group, Some(7));
}

#[test]
fn directories_and_claims_are_told_as_they_are() {
    let check = |volume: Value, wanted: Volume| assert_eq!(plan(volume), Ok(wanted));
    let empty = |medium, size_limit_bytes| Volume::EmptyDir { medium, size_limit_bytes, group: None };
    check(json!({"emptyDir": {}}), empty(Medium::Disk, None));
    check(json!({}), empty(Medium::Disk, None));
    check(
        json!({"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}),
        empty(Medium::Memory, Some(1 << 20)),
    );
    let path = Volume::HostPath { path: "/srv".into(), kind: HostPathKind::Directory };
    check(json!({"hostPath": {"path": "/srv", "type": "Directory"}}), path);
    let claim = Volume::Claim { name: "data".to_owned(), is_read_only: false };
    check(json!({"persistentVolumeClaim": {"claimName": "data"}}), claim);
}

#[test]
fn what_is_missing_is_told_in_the_kubelets_words() {
    check_fault(json!({"configMap": {"name": "x"}}), "configmap \"x\" not found");
    check_fault(json!({"secret": {"secretName": "x"}}), "secret \"x\" not found");
    let items = json!([{"key": "x", "path": "x"}]);
    check_fault(
        json!({"configMap": {"name": "settings", "items": items}}),
        "configmap references non-existent config key: x",
    );
    check_fault(
        json!({"secret": {"secretName": "token", "items": items}}),
        "references non-existent secret key: x",
    );
    let field = json!([{"path": "x", "fieldRef": {"fieldPath": "spec.nodeName"}}]);
    check_fault(json!({"downwardAPI": {"items": field}}), "unsupported fieldPath: spec.nodeName");
    let sources = json!([{"configMap": {"name": "x"}}, {"secret": {"name": "y"}}]);
    check_fault(
        json!({"projected": {"sources": sources}}),
        "[configmap \"x\" not found, secret \"y\" not found]",
    );
    let token = json!([{"serviceAccountToken": {"path": "token", "audience": "other"}}]);
    check_fault(
        json!({"projected": {"sources": token}}),
        "no token for audience \"other\" has been given yet",
    );
    let out = json!([{"key": "LEVEL", "path": "../x"}]);
    check_fault(
        json!({"configMap": {"name": "settings", "items": out}}),
        "invalid path: must not contain '..': ../x",
    );
    let fault = Fault::NoConfigMap { name: "x".to_owned() };
    assert_eq!(
        set_up_failed("cfg", &fault),
        "MountVolume.SetUp failed for volume \"cfg\" : configmap \"x\" not found"
    );
}

#[test]
fn what_nothing_here_can_make_is_named() {
    for (kind, source) in [
        ("nfs", json!({"server": "s", "path": "/"})),
        ("csi", json!({"driver": "d"})),
        ("image", json!({"reference": "i"})),
        ("ephemeral", json!({})),
    ] {
        check_fault(json!({kind: source}), &format!("`spec.volumes{{v}}.{kind}` is not supported"));
    }
    let bundle = json!([{"clusterTrustBundle": {"name": "b", "path": "b"}}]);
    check_fault(
        json!({"projected": {"sources": bundle}}),
        "`spec.volumes{v}.projected.sources[].clusterTrustBundle` is not supported",
    );
    check_fault(
        json!({"emptyDir": {"medium": "HugePages"}}),
        "`spec.volumes{v}.emptyDir.medium HugePages` is not supported",
    );
}

#[test]
fn the_volume_that_admission_adds_is_known() {
    let check = |volume: Value, wanted: bool| {
        let volume: Spec = serde_json::from_value(volume).unwrap();
        assert_eq!(is_service_account_volume(&volume), wanted, "{}", volume.name);
    };
    let sources =
        json!([{"serviceAccountToken": {"path": "token"}}, {"configMap": {"name": "kube-root-ca.crt"}}]);
    check(json!({"name": "kube-api-access-x2v4q", "projected": {"sources": sources}}), true);
    check(json!({"name": "token", "projected": {"sources": sources}}), false);
    check(json!({"name": "kube-api-access-x2v4q", "projected": {"sources": []}}), false);
    check(json!({"name": "kube-api-access-x2v4q", "emptyDir": {}}), false);
}

#[test]
fn each_token_is_asked_for_once() {
    let token = |source: Value| json!({"serviceAccountToken": source});
    let volume = |sources: Value| json!({"name": "v", "projected": {"sources": sources}});
    let pod: Pod = serde_json::from_value(json!({"metadata": {}, "spec": {"containers": [], "volumes": [
        volume(json!([token(json!({"path": "a"})), token(json!({"path": "b", "audience": "vault"}))])),
        volume(json!([token(json!({"path": "c", "audience": "", "expirationSeconds": 3600}))])),
        {"name": "tmp", "emptyDir": {}},
    ]}}))
    .unwrap();
    let ask =
        |audience: Option<&str>| TokenAsk { audience: audience.map(str::to_owned), expiration_seconds: 3600 };
    assert_eq!(token_asks(&pod), [ask(None), ask(Some("vault"))].into());
}
