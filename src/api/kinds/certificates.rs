//! CertificateSigningRequests.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Kind, Rules, SelectableField, Subresource};

/// Shortest time that a certificate may be asked for
/// (`pkg/apis/certificates/validation`: 600 s).
const DURATION_MIN_SECONDS: i64 = 600;
/// The conditions that `/approval` writes.
const DECISIONS: [&str; 2] = ["Approved", "Denied"];
/// What a key may be for (`pkg/apis/certificates/types.go`).
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

pub(crate) const SIGNING_REQUEST: Kind = Kind {
    kind: "CertificateSigningRequest",
    plural: "certificatesigningrequests",
    singular: "certificatesigningrequest",
    short_names: &["csr"],
    definition: "io.k8s.api.certificates.v1.CertificateSigningRequest",
    subresources: &[Subresource::Approval, Subresource::Status],
    rules: Rules {
        prepare_status: keep_decisions,
        validate,
        columns: &[
            Column::AGE,
            Column::text("SignerName"),
            Column::text("Requestor"),
            Column::text("RequestedDuration"),
            Column::text("Condition"),
        ],
        cells: |object| {
            let seconds = meta::number(object, "/spec/expirationSeconds").and_then(|n| u64::try_from(n).ok());
            vec![
                super::age(object),
                super::text_or(object, "/spec/signerName", "<none>"),
                json!(meta::text(object, "/spec/username")),
                json!(seconds.map_or("<none>".to_owned(), super::human_duration)),
                json!(condition(object)),
            ]
        },
        fields: &[SelectableField::new("spec.signerName", "/spec/signerName")],
        ..Rules::PLAIN
    },
    ..Kind::cluster("certificates.k8s.io", "v1")
};

/// Who writes `/status` neither approves nor denies.
///
/// Source: `pkg/registry/certificates/certificates/strategy.go`, `csrStatusStrategy`.
fn keep_decisions(new: &mut Value, old: &Value) {
    let is_decision = |condition: &&Value| DECISIONS.contains(&meta::text(condition, "/type"));
    let known = meta::list(old, "/status/conditions").iter().filter(is_decision);
    let found = meta::list(new, "/status/conditions").iter().filter(|condition| !is_decision(condition));
    let conditions: Vec<Value> = known.chain(found).cloned().collect();
    if !conditions.is_empty() || new.pointer("/status/conditions").is_some() {
        meta::map_at(new, "status").insert("conditions".to_owned(), json!(conditions));
    }
}

/// Source: `pkg/apis/certificates/validation.validateCertificateSigningRequest`.
fn validate(new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::required(new, "spec.request", ""));
    faults.extend(check::required(new, "spec.usages", ""));
    faults.extend(check::each_one_of(new, "spec.usages", &USAGES));
    let signer = meta::text(new, "/spec/signerName");
    let is_name =
        signer.split_once('/').is_some_and(|(domain, path)| domain.contains('.') && !path.is_empty());
    if signer.is_empty() {
        faults.push(FieldError::required("spec.signerName", ""));
    } else if !is_name {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        faults.push(FieldError::invalid("spec.signerName", json!(signer), why));
    }
    let seconds = meta::number(new, "/spec/expirationSeconds");
    if let Some(seconds) = seconds.filter(|seconds| *seconds < DURATION_MIN_SECONDS) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        faults.push(FieldError::invalid("spec.expirationSeconds", json!(seconds), why));
    }
    let conditions = meta::list(new, "/status/conditions");
    let has = |type_: &str| conditions.iter().any(|condition| meta::text(condition, "/type") == type_);
    if DECISIONS.into_iter().all(has) {
        let why = "Approved and Denied conditions are mutually exclusive";
        faults.push(FieldError::invalid("status.conditions", json!("Denied"), why));
    }
    faults.extend(check::immutable(new, old, "spec"));
    faults
}

/// `Approved,Issued`.
fn condition(object: &Value) -> String {
    let conditions = meta::list(object, "/status/conditions");
    let has = |type_: &str| conditions.iter().any(|condition| meta::text(condition, "/type") == type_);
    let decision = if has("Denied") {
        "Denied"
    } else if has("Approved") {
        "Approved"
    } else {
        "Pending"
    };
    let failed = if has("Failed") { ",Failed" } else { "" };
    let issued = if meta::text(object, "/status/certificate").is_empty() { "" } else { ",Issued" };
    format!("{decision}{failed}{issued}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Value {
        json!({"spec": {
            "request": "LS0=", "signerName": "example.com/web", "usages": ["client auth"],
            "expirationSeconds": 3600, "username": "ann",
        }})
    }

    #[test]
    fn a_request_names_its_signer_and_use() {
        assert_eq!(validate(&request(), None), []);
        let mut wrong = request();
        wrong["spec"] =
            json!({"request": "LS0=", "signerName": "web", "usages": ["flying"], "expirationSeconds": 1});
        let places: Vec<String> = validate(&wrong, None).into_iter().map(|fault| fault.path).collect();
        assert_eq!(places, ["spec.usages[0]", "spec.signerName", "spec.expirationSeconds"]);
        assert_eq!(validate(&wrong, Some(&request())).last().map(|fault| fault.path.as_str()), Some("spec"));
    }

    #[test]
    fn the_last_column_tells_how_far_it_is() {
        let mut object = request();
        let row = (SIGNING_REQUEST.rules.cells)(&object);
        assert_eq!(row[1..], ["example.com/web", "ann", "60m", "Pending"].map(|text| json!(text)));
        object["status"] = json!({"conditions": [{"type": "Approved"}], "certificate": "LS0="});
        assert_eq!(condition(&object), "Approved,Issued");
        object["status"] = json!({"conditions": [{"type": "Denied"}, {"type": "Failed"}]});
        assert_eq!(condition(&object), "Denied,Failed");
    }

    #[test]
    fn who_writes_the_status_decides_nothing() {
        let old = json!({"status": {"conditions": [{"type": "Approved"}]}});
        let mut new =
            json!({"status": {"conditions": [{"type": "Denied"}, {"type": "Failed"}], "certificate": "x"}});
        keep_decisions(&mut new, &old);
        assert_eq!(new["status"]["conditions"], json!([{"type": "Approved"}, {"type": "Failed"}]));
    }
}
