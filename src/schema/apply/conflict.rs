//! Conflicts and their messages, which kubectl prints as they are.
//!
//! Follows `k8s.io/apimachinery/pkg/util/managedfields/internal/conflict.go`.

use std::collections::BTreeMap;
use std::fmt;

use super::Operation;
use super::element::PathElement;
use super::fields::{FieldSet, show};
use super::managed::ManagerId;
use crate::field_error::go_quote;

/// Fields that others own with other values; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflicts {
    /// Each conflict, ordered by manager, then by field: the causes of the 409, whose message
    /// is `conflict with <manager>` and whose field is the path.
    pub causes: Vec<Conflict>,
}

/// One field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who: `"kubectl-client-side-apply" using apps/v1`.
    pub manager: String,
    /// Which field: `.spec.replicas`.
    pub path: String,
    elements: Vec<PathElement>,
}

// === impl Conflicts ===

impl Conflicts {
    /// The conflicts in what each manager would lose.
    pub(super) fn of(lost: &BTreeMap<ManagerId, FieldSet>) -> Conflicts {
        let mut causes = Vec::new();
        for (id, fields) in lost {
            for elements in fields.leaves().paths() {
                causes.push(Conflict { manager: describe(id), path: show(&elements), elements });
            }
        }
        Conflicts { causes }
    }

    /// The conflicts about fields that are not in `allowed`.
    pub(super) fn without(mut self, allowed: &FieldSet) -> Conflicts {
        self.causes.retain(|conflict| !allowed.contains(&conflict.elements));
        self
    }
}

impl fmt::Display for Conflicts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [Conflict { manager, path, .. }] = &self.causes[..] {
            return write!(f, "Apply failed with 1 conflict: conflict with {manager}: {path}");
        }
        write!(f, "Apply failed with {} conflicts: ", self.causes.len())?;
        let mut last = None;
        for Conflict { manager, path, .. } in &self.causes {
            if last != Some(manager) {
                let newline = if last.is_some() { "\n" } else { "" };
                write!(f, "{newline}conflicts with {manager}:")?;
                last = Some(manager);
            }
            write!(f, "\n- {path}")?;
        }
        Ok(())
    }
}

fn describe(id: &ManagerId) -> String {
    let mut manager = go_quote(&id.name);
    if !id.subresource.is_empty() {
        manager = format!("{manager} with subresource {}", go_quote(&id.subresource));
    }
    match id.operation {
        Operation::Update => format!("{manager} using {}", id.api_version),
        Operation::Apply => manager,
    }
}
