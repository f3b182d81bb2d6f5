//! What k8s-openapi's sources tell about a type: its true name, its JSON names, and which of its
//! fields are required. One file has one type.

use std::collections::BTreeMap;
use std::path::Path;

/// All types, by package and name: `apps/v1.Deployment`.
#[derive(Debug, Default)]
pub(crate) struct Kinds {
    types: BTreeMap<String, Known>,
}

#[derive(Debug)]
pub(crate) struct Known {
    is_kind: bool,
    /// JSON name to whether it is required; empty for what is no object.
    pub(crate) fields: BTreeMap<String, bool>,
}

// === impl Kinds ===

impl Kinds {
    pub(crate) fn read(&mut self, folder: &Path, package: &str) {
        let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for file in files {
            let text = std::fs::read_to_string(file.expect("a file").path()).unwrap_or_default();
            let Some(name) = type_name(&text) else { continue };
            let mut fields = BTreeMap::new();
            for call in text.split("SerializeStruct::serialize_field(&mut state, \"").skip(1) {
                let (field, value) = call.split_once("\", ").expect("a call has two arguments");
                if !matches!(field, "apiVersion" | "kind") || !value.starts_with("<Self") {
                    fields.insert(field.to_owned(), value.starts_with("&self."));
                }
            }
            // Discovery documents are kinds, too, but nobody sends one: they have no metadata.
            let is_kind = text.contains("const KIND: &'static str") && fields.contains_key("metadata");
            self.types.insert(format!("{package}.{name}"), Known { is_kind, fields });
        }
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = &str> {
        self.types.iter().filter(|(_, known)| known.is_kind).map(|(name, _)| name.as_str())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Known> {
        self.types.get(name)
    }

    /// k8s-pb writes `HttpGetAction` for `HTTPGetAction`.
    pub(crate) fn true_name(&self, name: &str) -> String {
        let (package, short) = name.rsplit_once('.').expect("a name has a package");
        let wanted = normalized(short);
        let mut same = self.types.keys().filter(|known| {
            known.rsplit_once('.').is_some_and(|(own, short)| own == package && normalized(short) == wanted)
        });
        same.next().map_or_else(|| name.to_owned(), Clone::clone)
    }

    /// The JSON name of a field of a type that is not known itself: as some other type has it.
    pub(crate) fn json_name(&self, field: &str) -> String {
        let wanted = normalized(field);
        let mut names: Vec<&str> = self
            .types
            .values()
            .flat_map(|known| known.fields.keys())
            .filter(|json| normalized(json) == wanted)
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        let plain = camel(field);
        match names[..] {
            [name] => name.to_owned(),
            _ if names.is_empty() || names.contains(&plain.as_str()) => plain,
            _ => panic!("`{field}` has several JSON names: {names:?}"),
        }
    }
}

/// Without what tells spellings of one name apart: `$ref` and `r#ref`, `podIPs` and `pod_i_ps`.
pub(crate) fn normalized(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase()).collect()
}

fn type_name(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("\npub struct ").or_else(|| text.split_once("\npub enum "))?;
    rest.split([' ', '(', ';', '<']).next()
}

fn camel(field: &str) -> String {
    let mut words = field.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        name.extend(word.chars().take(1).map(|letter| letter.to_ascii_uppercase()));
        name += word.get(1..).unwrap_or_default();
    }
    name
}
