//! Makes `src/api/protobuf/tables.txt`: the protobuf messages of all bundled kinds, in the form
//! that `spur_schema::protobuf` reads.
//!
//! ```text
//! cargo run -p spur-api --example protobuf_tables -- K8S_PB/src K8S_OPENAPI/src/v1_36
//! ```
//!
//! The arguments are the unpacked sources of two crates; `just protobuf-tables` gets them. What
//! each source tells, and what we add:
//!
//! - k8s-pb has the messages: field numbers and types ([`prost`]).
//! - k8s-openapi has the JSON names (`cluster_ip` is `clusterIP`), which fields are required, and
//!   by what it lacks, which messages are embedded in others ([`openapi`]). Fields that it lacks
//!   otherwise are of another Kubernetes version and are left out.
//! - Neither tells which fields are pointers in Go, where an empty value differs from none; that
//!   is our own table ([`pointers`]).
//!
//! An empty value is kept (a star in the table) where Go's JSON would have it: of a pointer, and
//! of what is required and no message. A required message that is empty is dropped, since nothing
//! tells it from an absent one.

mod openapi;
mod pointers;
mod prost;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use self::openapi::{Kinds, normalized};
use self::prost::{Field, Message};

/// Where both crates have a package, and what its messages are named after. Of the second folder
/// is what the first one lacks: k8s-pb is a version behind, and a kind that becomes v1 keeps its
/// numbers.
const PACKAGES: &[(&str, Option<&str>, &str)] = &[
    ("apimachinery/pkg/apis/meta/v1", None, "meta/v1"),
    ("apimachinery/pkg/api/resource", None, "resource"),
    ("apimachinery/pkg/runtime", None, "runtime"),
    ("apimachinery/pkg/util/intstr", None, "intstr"),
    ("api/core/v1", None, "v1"),
    (
        "api/admissionregistration/v1",
        Some("api/admissionregistration/v1beta1"),
        "admissionregistration.k8s.io/v1",
    ),
    ("api/apps/v1", None, "apps/v1"),
    ("api/authentication/v1", None, "authentication.k8s.io/v1"),
    ("api/authorization/v1", None, "authorization.k8s.io/v1"),
    ("api/autoscaling/v1", None, "autoscaling/v1"),
    ("api/autoscaling/v2", None, "autoscaling/v2"),
    ("api/batch/v1", None, "batch/v1"),
    ("api/certificates/v1", None, "certificates.k8s.io/v1"),
    ("api/coordination/v1", None, "coordination.k8s.io/v1"),
    ("api/discovery/v1", None, "discovery.k8s.io/v1"),
    ("api/events/v1", None, "events.k8s.io/v1"),
    ("api/flowcontrol/v1", None, "flowcontrol.apiserver.k8s.io/v1"),
    ("api/networking/v1", None, "networking.k8s.io/v1"),
    ("api/node/v1", None, "node.k8s.io/v1"),
    ("api/policy/v1", None, "policy/v1"),
    ("api/rbac/v1", None, "rbac.authorization.k8s.io/v1"),
    ("api/resource/v1", None, "resource.k8s.io/v1"),
    ("api/scheduling/v1", None, "scheduling.k8s.io/v1"),
    ("api/storage/v1", None, "storage.k8s.io/v1"),
    ("apiextensions_apiserver/pkg/apis/apiextensions/v1", None, "apiextensions.k8s.io/v1"),
    ("kube_aggregator/pkg/apis/apiregistration/v1", None, "apiregistration.k8s.io/v1"),
];

/// Kinds of bodies that k8s-openapi does not count as resources.
const MORE_KINDS: &[&str] = &["meta/v1.DeleteOptions"];

/// Messages that JSON writes in a way of their own.
const SHAPES: &[(&str, &str)] = &[
    ("meta/v1.Time", "time"),
    ("meta/v1.MicroTime", "microTime"),
    ("meta/v1.FieldsV1", "either"),
    ("resource.Quantity", "either"),
    ("runtime.RawExtension", "either"),
    ("intstr.IntOrString", "intOrString"),
    ("authentication.k8s.io/v1.ExtraValue", "either"),
    ("authorization.k8s.io/v1.ExtraValue", "either"),
    ("certificates.k8s.io/v1.ExtraValue", "either"),
    ("apiextensions.k8s.io/v1.JSON", "either"),
    ("apiextensions.k8s.io/v1.JSONSchemaPropsOrArray", "either"),
    ("apiextensions.k8s.io/v1.JSONSchemaPropsOrBool", "either"),
    ("apiextensions.k8s.io/v1.JSONSchemaPropsOrStringArray", "either"),
];

/// Messages whose bytes are JSON.
const JSON: &[&str] = &["meta/v1.FieldsV1", "runtime.RawExtension", "apiextensions.k8s.io/v1.JSON"];

fn main() {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let (Some(k8s_pb), Some(k8s_openapi), None) = (arguments.next(), arguments.next(), arguments.next())
    else {
        panic!("usage: protobuf_tables K8S_PB/src K8S_OPENAPI/src/v1_36");
    };
    print!("{}", Tables::read(&k8s_pb, &k8s_openapi).text());
}

struct Tables {
    messages: BTreeMap<String, Message>,
    kinds: Kinds,
    /// Fields whose empty value is kept, and messages whose is not: what was used of our tables.
    used: BTreeSet<(&'static str, &'static str)>,
}

// === impl Tables ===

impl Tables {
    fn read(k8s_pb: &Path, k8s_openapi: &Path) -> Tables {
        let mut kinds = Kinds::default();
        for (folder, _, package) in PACKAGES {
            kinds.read(&k8s_openapi.join(folder), package);
        }
        let mut messages = BTreeMap::new();
        for (folder, more, package) in PACKAGES {
            for folder in more.iter().chain([folder]) {
                for mut message in prost::read(&k8s_pb.join(folder), folder) {
                    message.name = kinds.true_name(&format!("{package}.{}", message.name));
                    for field in &mut message.fields {
                        if let Some(path) = &field.message {
                            field.type_ = kinds.true_name(&named(path));
                        }
                    }
                    messages.insert(message.name.clone(), message);
                }
            }
        }
        Tables { messages, kinds, used: BTreeSet::new() }
    }

    fn text(&mut self) -> String {
        let mut lines = vec![
            "# Made by `just protobuf-tables` from k8s-pb and k8s-openapi; the form is described in"
                .to_owned(),
            "# `spur_schema::protobuf`. Do not edit.".to_owned(),
        ];
        let reachable = self.reachable();
        for (_, _, package) in PACKAGES {
            lines.push(format!("@ {package}"));
            for name in reachable.iter().filter(|name| package_of(name) == *package) {
                let shape = shape(name).map(|shape| format!(" {shape}")).unwrap_or_default();
                lines.push(format!("{}{shape}", short(name, package)));
                lines.extend(self.fields(name, package).iter().map(|line| format!(" {line}")));
            }
        }
        self.check_used();
        lines.join("\n") + "\n"
    }

    /// Every message that an object of some kind can hold.
    fn reachable(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut next: Vec<String> = self.kinds.kinds().map(str::to_owned).collect();
        next.extend(MORE_KINDS.iter().map(|&name| name.to_owned()));
        while let Some(name) = next.pop() {
            let Some(message) = self.messages.get(&name) else {
                panic!("k8s-pb has no message `{name}`");
            };
            if found.insert(name.clone()) && !is_opaque(&name) {
                let known = message.fields.iter().filter(|field| self.json_name(message, field).is_some());
                next.extend(known.filter(|field| field.message.is_some()).map(|field| field.type_.clone()));
            }
        }
        found
    }

    fn fields(&mut self, name: &str, package: &str) -> Vec<String> {
        if is_opaque(name) {
            return Vec::new();
        }
        let message = self.messages[name].clone();
        let mut lines = Vec::new();
        for field in &message.fields {
            let Some(json) = self.json_name(&message, field) else { continue };
            let star = if self.keeps_empty(&message, field, &json) { "*" } else { "" };
            let type_ = match field.type_.as_str() {
                "bytes" if JSON.contains(&name) => "json",
                type_ => short(type_, package),
            };
            lines.push(format!("{} {json} {}{star}{type_}", field.number, field.many));
        }
        lines
    }

    /// A field's name in JSON, `.` for an embedded message, none for a field to leave out.
    fn json_name(&self, message: &Message, field: &Field) -> Option<String> {
        let Some(known) = self.kinds.get(&message.name).filter(|known| !known.fields.is_empty()) else {
            // Not in k8s-openapi, or not as an object: what is embedded, and what is either.
            return Some(self.kinds.json_name(&field.name));
        };
        let name = normalized(&field.name);
        if let Some(json) = known.fields.keys().find(|json| normalized(json) == name) {
            return Some(json.clone());
        }
        // An embedded message's fields stand among the known ones.
        let embedded = self.messages.get(&field.type_).filter(|_| field.many.is_empty())?;
        let names = || known.fields.keys().map(|json| normalized(json));
        let is_embedded = embedded
            .fields
            .iter()
            .all(|inner| self.is_embedding(inner) || names().any(|json| json == normalized(&inner.name)));
        is_embedded.then(|| ".".to_owned())
    }

    /// Whether a field of an embedded message embeds another one: `ruleWithOperations.rule`.
    fn is_embedding(&self, field: &Field) -> bool {
        field.message.is_some()
            && normalized(short(&field.type_, package_of(&field.type_))) == normalized(&field.name)
    }

    fn keeps_empty(&mut self, message: &Message, field: &Field, json: &str) -> bool {
        if json == "." {
            return false;
        }
        if shape(&message.name) == Some("either") {
            return true;
        }
        if self.is_listed(pointers::POINTERS, &message.name, json) {
            return true;
        }
        if self.is_listed(pointers::OMITTED, &message.name, json) {
            return false;
        }
        if field.message.is_some() && field.many.is_empty() {
            let is_value = matches!(json, "metadata" | "spec" | "status");
            return !(self.is_listed(pointers::VALUES, &message.name, json) || is_value);
        }
        let known = self.kinds.get(&message.name);
        known.is_some_and(|known| known.fields.get(json) == Some(&true))
    }

    fn is_listed(&mut self, list: pointers::List, message: &str, json: &str) -> bool {
        let Some((message, fields)) = list.iter().find(|(name, _)| *name == message) else { return false };
        let Some(field) = fields.split(' ').find(|field| *field == json) else { return false };
        self.used.insert((message, field));
        true
    }

    /// A name of our tables that matches nothing is a typing mistake.
    fn check_used(&self) {
        let listed = pointers::POINTERS.iter().chain(pointers::OMITTED).chain(pointers::VALUES);
        let listed =
            listed.flat_map(|(message, fields)| fields.split(' ').map(move |field| (*message, field)));
        let unused: Vec<_> = listed.filter(|name| !self.used.contains(name)).collect();
        assert!(unused.is_empty(), "no kind has these fields: {unused:?}");
    }
}

/// The name of a message by where k8s-pb has it.
fn named(path: &str) -> String {
    let (folder, name) = path.rsplit_once('/').expect("a path has a folder");
    let package = PACKAGES.iter().find(|(own, more, _)| *own == folder || *more == Some(folder));
    let (_, _, package) = package.unwrap_or_else(|| panic!("`{folder}` is no known package"));
    format!("{package}.{name}")
}

fn package_of(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(package, _)| package)
}

/// A type as it is named within a package.
fn short<'a>(type_: &'a str, package: &str) -> &'a str {
    type_.strip_prefix(package).and_then(|rest| rest.strip_prefix('.')).unwrap_or(type_)
}

fn shape(name: &str) -> Option<&'static str> {
    SHAPES.iter().find(|(message, _)| *message == name).map(|(_, shape)| *shape)
}

/// Whether the decoder knows a message's fields by itself.
fn is_opaque(name: &str) -> bool {
    shape(name).is_some_and(|shape| shape != "either")
}
