//! The table of messages: a text, one line for each message and each field.
//!
//! ```text
//! # a comment
//! @ apps/v1                                    the API version of what follows
//! DeploymentSpec                               a message
//!  1 replicas *int32                           number, JSON name, type
//!  2 selector *meta/v1.LabelSelector           a message of another API version
//!  3 template v1.PodTemplateSpec
//! @ v1
//! Volume
//!  1 name string
//!  2 . VolumeSource                            its fields stand in the message around it
//! ConfigMap
//!  2 data {}string                             a map
//!  9 items []*KeyToPath                        a list
//! @ meta/v1
//! Time time                                    a message that is written in a way of its own
//! ```
//!
//! A star says that an empty value means something and is kept. Without it `0`, `false`, `""`,
//! `[]` and `{}` mean the same as nothing and are dropped: Kubernetes' encoder (gogo's, as in each
//! `generated.pb.go`) writes every field that is no pointer, even when nobody set it, and Go's
//! JSON leaves them out (`omitempty`).

use std::collections::HashMap;

/// All messages, by name.
#[derive(Debug)]
pub struct Messages {
    pub(super) all: Vec<MessageRow>,
    by_name: HashMap<String, usize>,
}

/// One of the messages.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub(super) messages: &'a Messages,
    pub(super) row: &'a MessageRow,
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the table: {why}")]
pub struct TableError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Debug)]
pub(super) struct MessageRow {
    pub(super) name: String,
    pub(super) shape: Shape,
    /// In the order of their numbers.
    pub(super) fields: Vec<Field>,
}

/// What a message reads as in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// An object of its fields.
    Object,
    /// The value of one of its fields; where there are several, of that with the highest number.
    Either,
    /// RFC 3339 to the second.
    Time,
    /// RFC 3339 to the microsecond.
    MicroTime,
    /// A number or a string.
    IntOrString,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    /// In JSON; none where the fields of the message stand in the one around it.
    pub(super) name: Option<&'static str>,
    pub(super) many: Many,
    pub(super) type_: Type,
    pub(super) keeps_empty: bool,
}

/// How often a field may occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Many {
    One,
    List,
    /// By text.
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Int32,
    Int64,
    Double,
    String,
    /// In JSON as base64.
    Bytes,
    /// Bytes that are JSON.
    Json,
    /// The message at this index.
    Message(usize),
}

// === impl Messages ===

impl Messages {
    /// Reads a table.
    ///
    /// # Errors
    ///
    /// A line does not have the form that the module describes, or names a message that the
    /// table lacks.
    pub fn parse(text: &'static str) -> Result<Messages, TableError> {
        let mut messages = Messages { all: Vec::new(), by_name: HashMap::new() };
        let mut fields = Vec::new();
        let mut package = "";
        for (line, text) in (1..).zip(text.lines()) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            } else if let Some(name) = text.strip_prefix("@ ") {
                package = name;
            } else if let Some(text) = text.strip_prefix(' ') {
                fields.push((line, text, package, messages.all.len()));
            } else {
                let row = MessageRow::parse(package, text).map_err(|why| TableError { line, why })?;
                messages.by_name.insert(row.name.clone(), messages.all.len());
                messages.all.push(row);
            }
        }
        // A field may name a message that comes later.
        for (line, text, package, n_messages) in fields {
            let fault = |why| TableError { line, why };
            let field = Field::parse(text, |name| messages.index(package, name)).map_err(fault)?;
            let row = n_messages.checked_sub(1).map(|index| &mut messages.all[index]);
            row.ok_or_else(|| fault("a field without a message".to_owned()))?.fields.push(field);
        }
        messages.all.iter_mut().for_each(|row| row.fields.sort_by_key(|field| field.number));
        Ok(messages)
    }

    /// The message of this kind of object.
    pub fn find(&self, api_version: &str, kind: &str) -> Option<Message<'_>> {
        let row = &self.all[*self.by_name.get(&format!("{api_version}.{kind}"))?];
        (row.shape == Shape::Object).then_some(Message { messages: self, row })
    }

    fn index(&self, package: &str, name: &str) -> Result<usize, String> {
        let qualified = if name.contains('.') { name.to_owned() } else { format!("{package}.{name}") };
        self.by_name.get(&qualified).copied().ok_or_else(|| format!("`{qualified}` is no message"))
    }
}

// === impl Message ===

impl<'a> Message<'a> {
    /// `apps/v1.Deployment`.
    pub fn name(&self) -> &'a str {
        &self.row.name
    }

    /// Every name that a field can have in JSON, those of embedded messages among them.
    pub fn fields(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for field in &self.row.fields {
            match (field.name, field.type_) {
                (Some(name), _) => names.push(name),
                (None, Type::Message(index)) => {
                    names
                        .extend(Message { messages: self.messages, row: &self.messages.all[index] }.fields());
                }
                (None, _) => {}
            }
        }
        names
    }
}

// === impl MessageRow ===

impl MessageRow {
    fn parse(package: &str, text: &str) -> Result<MessageRow, String> {
        let (name, shape) = text.split_once(' ').unwrap_or((text, "object"));
        let shape = match shape {
            "object" => Shape::Object,
            "either" => Shape::Either,
            "time" => Shape::Time,
            "microTime" => Shape::MicroTime,
            "intOrString" => Shape::IntOrString,
            other => return Err(format!("`{other}` is no shape")),
        };
        Ok(MessageRow { name: format!("{package}.{name}"), shape, fields: Vec::new() })
    }

    pub(super) fn field(&self, number: u32) -> Option<&Field> {
        let found = self.fields.binary_search_by_key(&number, |field| field.number);
        found.ok().map(|index| &self.fields[index])
    }
}

// === impl Field ===

impl Field {
    fn parse(text: &'static str, index: impl Fn(&str) -> Result<usize, String>) -> Result<Field, String> {
        let mut words = text.split(' ');
        let (Some(number), Some(name), Some(type_), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(format!("`{text}` is not a number, a name and a type"));
        };
        let number = number.parse().map_err(|error| format!("`{number}`: {error}"))?;
        let (many, type_) = if let Some(type_) = type_.strip_prefix("[]") {
            (Many::List, type_)
        } else if let Some(type_) = type_.strip_prefix("{}") {
            (Many::Map, type_)
        } else {
            (Many::One, type_)
        };
        let (keeps_empty, type_) = match type_.strip_prefix('*') {
            Some(type_) => (true, type_),
            None => (false, type_),
        };
        let type_ = match type_ {
            "bool" => Type::Bool,
            "int32" => Type::Int32,
            "int64" => Type::Int64,
            "double" => Type::Double,
            "string" => Type::String,
            "bytes" => Type::Bytes,
            "json" => Type::Json,
            message => Type::Message(index(message)?),
        };
        let name = (name != ".").then_some(name);
        if name.is_none() && !(matches!(type_, Type::Message(_)) && many == Many::One) {
            return Err("only a message can stand in the one around it".to_owned());
        }
        Ok(Field { number, name, many, type_, keeps_empty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_fault(text: &'static str, line: usize, why: &str) {
        let fault = Messages::parse(text).unwrap_err();
        assert_eq!((fault.line, fault.why.as_str()), (line, why));
    }

    #[test]
    fn messages_are_found_by_version_and_kind() {
        let messages =
            Messages::parse("@ v1\nA\n 1 b *b/v2.B\n 2 . C\nC\n 1 d []string\n@ b/v2\nB\n").unwrap();
        assert_eq!(messages.find("v1", "A").unwrap().fields(), ["b", "d"]);
        assert_eq!(messages.find("b/v2", "B").unwrap().name(), "b/v2.B");
        assert!(messages.find("v1", "B").is_none());
    }

    #[test]
    fn only_objects_are_found() {
        let messages = Messages::parse("@ v1\nQuantity either\n 1 string *string\n").unwrap();
        assert!(messages.find("v1", "Quantity").is_none());
    }

    #[test]
    fn a_line_that_cannot_be_read_is_named() {
        check_fault("@ v1\nA\n 1 b\n", 3, "`1 b` is not a number, a name and a type");
        check_fault("@ v1\nA\n 1 b B\n", 3, "`v1.B` is no message");
        check_fault("# x\n\n@ v1\nA odd\n", 4, "`odd` is no shape");
        check_fault("@ v1\nA\n 1 . string\n", 3, "only a message can stand in the one around it");
        check_fault("@ v1\nA\n x b string\n", 3, "`x`: invalid digit found in string");
        check_fault("@ v1\n 1 b string\n", 2, "a field without a message");
    }
}
