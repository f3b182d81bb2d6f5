//! Leases.

use serde_json::{Value, json};
use spur_schema::FieldError;

use super::check;
use crate::meta;
use crate::registry::{Column, Kind, Rules};

pub(crate) const LEASE: Kind = Kind {
    kind: "Lease",
    plural: "leases",
    singular: "lease",
    definition: "io.k8s.api.coordination.v1.Lease",
    rules: Rules {
        validate,
        columns: &[Column::text("Holder"), Column::AGE],
        cells: |object| vec![json!(meta::text(object, "/spec/holderIdentity")), super::age(object)],
        ..Rules::PLAIN
    },
    ..Kind::namespaced("coordination.k8s.io", "v1")
};

/// Source: `pkg/apis/coordination/validation.ValidateLeaseSpec`.
fn validate(new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    let mut faults = Vec::new();
    faults.extend(check::positive(new, "spec.leaseDurationSeconds"));
    faults.extend(check::not_negative(new, "spec.leaseTransitions"));
    if new.pointer("/spec/holderIdentity").and_then(Value::as_str) == Some("") {
        let why = "must not be empty";
        faults.push(FieldError::invalid("spec.holderIdentity", json!(""), why));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_for_some_time() {
        let lease =
            json!({"spec": {"holderIdentity": "a", "leaseDurationSeconds": 15, "leaseTransitions": 0}});
        assert_eq!(validate(&lease, None), []);
        assert_eq!((LEASE.rules.cells)(&lease)[0], "a");
        let wrong = json!({"spec": {"leaseDurationSeconds": 0, "leaseTransitions": -1}});
        assert_eq!(validate(&wrong, None).len(), 2);
    }
}
