//! Messages out of k8s-pb's sources, which prost-build has made: one attribute and one line of
//! Rust for each field.

use std::path::Path;

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) fields: Vec<Field>,
}

#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) number: u32,
    /// As prost writes it: `cluster_ip`.
    pub(crate) name: String,
    /// `` for one, `[]` for a list, `{}` for a map.
    pub(crate) many: &'static str,
    /// A scalar type, or the name of the message.
    pub(crate) type_: String,
    /// Where the type is a message: its folder and name.
    pub(crate) message: Option<String>,
}

/// Reads a folder's `mod.rs`; `folder` is relative to the sources.
pub(crate) fn read(path: &Path, folder: &str) -> Vec<Message> {
    let path = path.join("mod.rs");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    // A long type goes over several lines, up to its comma.
    let mut messages: Vec<Message> = Vec::new();
    let (mut attribute, mut field) = (None, String::new());
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with("///")) {
        if let Some(rest) = line.strip_prefix("pub struct ") {
            let name = rest.split(' ').next().expect("a struct has a name").to_owned();
            messages.push(Message { name, fields: Vec::new() });
        } else if let Some(rest) = line.strip_prefix("#[prost(") {
            attribute = Some(rest.trim_end_matches(")]").to_owned());
        } else if let Some(attributes) = &attribute {
            field += line;
            if is_whole(&field) {
                let message = messages.last_mut().expect("a field stands in a struct");
                message.fields.push(Field::parse(attributes, &field, folder));
                (attribute, field) = (None, String::new());
            }
        }
    }
    messages
}

fn is_whole(field: &str) -> bool {
    field.ends_with(',') && field.matches('<').count() == field.matches('>').count()
}

// === impl Field ===

impl Field {
    fn parse(attributes: &str, field: &str, folder: &str) -> Field {
        let number = attributes.split_once("tag = \"").and_then(|(_, rest)| rest.split_once('"'));
        let number = number.and_then(|(number, _)| number.parse().ok()).expect("a field has a number");
        let (name, rust) = field.strip_prefix("pub ").and_then(|rest| rest.split_once(':')).expect("a field");
        let name = name.trim_start_matches("r#").to_owned();
        let (first, rest) = attributes.split_once(',').expect("a field has a type");
        let (many, type_) = if let Some(types) = first.strip_prefix("btree_map = \"") {
            let value = rest.split_once('"').expect("a map has two types").0.trim();
            assert_eq!(types, "string", "{name}: maps are by text");
            ("{}", value)
        } else if rest.contains("repeated") {
            ("[]", first)
        } else {
            ("", first.split(' ').next().expect("a type"))
        };
        if type_ != "message" {
            return Field { number, name, many, type_: type_.to_owned(), message: None };
        }
        let inner = rust.trim_end_matches([',', '>']).rsplit(['<', ',']).next().expect("a type").trim();
        Field { number, name, many, type_: String::new(), message: Some(resolve(folder, inner)) }
    }
}

/// `super::super::core::v1::Pod`, seen from `api/apps/v1`, is `api/core/v1/Pod`.
fn resolve(folder: &str, path: &str) -> String {
    let mut segments: Vec<&str> = folder.split('/').collect();
    for segment in path.split("::") {
        match segment {
            "super" => drop(segments.pop()),
            segment => segments.push(segment),
        }
    }
    segments.join("/")
}
