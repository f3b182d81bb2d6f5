//! One operation: what it is called, what it takes and what it gives.
//!
//! Sources: `apiserver/pkg/endpoints/installer.go` (`registerResourceHandlers`) and, for custom
//! kinds, `apiextensions-apiserver/pkg/controller/openapi/builder/builder.go`.

use serde_json::{Map, Value, json};
use spur_api::registry::Deleted;
use spur_api::{Scope, Subresource, definitions};

use super::{names, parameters, schemas};
use crate::discovery;
use crate::served::Served;

/// What a client can do at a path.
#[derive(Clone, Copy)]
pub(super) struct Operation<'a> {
    pub(super) verb: Verb,
    pub(super) kind: &'a Served,
    /// What stands behind the object's name.
    pub(super) part: Option<Subresource>,
    /// Which of several paths it is.
    pub(super) reach: Reach,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    List,
    Create,
    DeleteCollection,
    Get,
    Update,
    Patch,
    Delete,
    /// Of one object, on the old path.
    Watch,
    /// Of a collection, on the old path.
    WatchList,
    /// Becomes a connection, asked for by this method.
    Connect(&'static str),
}

/// What tells an operation from others of the same verb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Within the namespace of the path, where the kind has one.
    Here,
    Everywhere,
    /// With a path of what is behind the proxy.
    WithPath,
}

const JSON: &str = "application/json";
const YAML: &str = "application/yaml";
/// How answers are written. (Documents say it of watches, too, whose events are JSON alone.)
pub(super) const WRITTEN: [&str; 2] = [JSON, YAML];
/// What a client asks for that wants a watch: the same JSON.
const STREAMED: &str = "application/json;stream=watch";

/// Media types of patches, that of the merge by the kind's own rules last.
const PATCHES: [&str; 4] = [
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
];

// === impl Verb ===

impl Verb {
    /// The method, as documents name it.
    pub(super) fn method(self) -> &'static str {
        match self {
            Self::List | Self::Get | Self::Watch | Self::WatchList => "get",
            Self::Create => "post",
            Self::Update => "put",
            Self::Patch => "patch",
            Self::Delete | Self::DeleteCollection => "delete",
            Self::Connect(method) => method,
        }
    }

    /// `x-kubernetes-action`.
    fn action(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::DeleteCollection => "deletecollection",
            Self::Watch => "watch",
            Self::WatchList => "watchlist",
            Self::Connect(_) => "connect",
            Self::Create | Self::Get | Self::Update | Self::Patch | Self::Delete => self.method(),
        }
    }

    /// The codes that answers may have.
    fn codes(self) -> &'static [(&'static str, &'static str)] {
        const OK: (&str, &str) = ("200", "OK");
        const CREATED: (&str, &str) = ("201", "Created");
        const ACCEPTED: (&str, &str) = ("202", "Accepted");
        match self {
            Self::Create => &[OK, CREATED, ACCEPTED],
            Self::Update | Self::Patch => &[OK, CREATED],
            Self::Delete => &[OK, ACCEPTED],
            Self::List
            | Self::Get
            | Self::DeleteCollection
            | Self::Watch
            | Self::WatchList
            | Self::Connect(_) => &[OK],
        }
    }
}

// === impl Operation ===

impl Operation<'_> {
    /// As it stands in a document.
    pub(super) fn json(&self) -> Value {
        let (group, version, kind) = self.subject();
        let mut operation = json!({
            "description": self.description(),
            "operationId": self.id(),
            "tags": [names::tag(self.kind.group(), Some(self.kind.version()))],
            "x-kubernetes-action": self.verb.action(),
            "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
            "responses": self.responses(),
        });
        let parameters = parameters::of_query(self);
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        if let Some(body) = self.request_body() {
            operation["requestBody"] = body;
        }
        operation
    }

    /// Group, version and kind of what is read and written.
    pub(super) fn subject(&self) -> (&str, &str, &str) {
        match self.part {
            None => (self.kind.group(), self.kind.version(), self.kind.kind()),
            Some(part) => {
                let (group, version, kind, _) = discovery::describe(part, self.kind);
                (group, version, kind)
            }
        }
    }

    /// `listCoreV1NamespacedPod`, `connectCoreV1GetNamespacedPodExec`.
    fn id(&self) -> String {
        let (word, before, after) = match self.verb {
            Verb::List => ("list", String::new(), ""),
            Verb::Create => ("create", String::new(), ""),
            Verb::DeleteCollection => ("delete", "Collection".to_owned(), ""),
            Verb::Get => ("read", String::new(), ""),
            Verb::Update => ("replace", String::new(), ""),
            Verb::Patch => ("patch", String::new(), ""),
            Verb::Delete => ("delete", String::new(), ""),
            Verb::Watch => ("watch", String::new(), ""),
            Verb::WatchList => ("watch", String::new(), "List"),
            Verb::Connect(method) => ("connect", names::capital(method), ""),
        };
        let version = names::of_version(self.kind.group(), self.kind.version());
        let is_within = self.kind.scope() == Scope::Namespaced && self.reach != Reach::Everywhere;
        let within = if is_within { "Namespaced" } else { "" };
        let part = self.part.map(|part| names::capital(part.segment())).unwrap_or_default();
        let reach = match self.reach {
            Reach::Here => "",
            Reach::Everywhere => "ForAllNamespaces",
            Reach::WithPath => "WithPath",
        };
        format!("{word}{version}{before}{within}{}{part}{after}{reach}", self.kind.kind())
    }

    fn description(&self) -> String {
        let kind = self.kind.kind();
        let part = self.part.map(|part| format!(" {} of", part.segment())).unwrap_or_default();
        match self.verb {
            Verb::List if discovery::verbs(self.kind).contains(&"watch") => {
                format!("list or watch objects of kind {kind}")
            }
            Verb::List => format!("list objects of kind {kind}"),
            Verb::Create => format!("create{part} {}", names::with_article(kind)),
            Verb::Get => format!("read{part} the specified {kind}"),
            Verb::Update => format!("replace{part} the specified {kind}"),
            Verb::Patch => format!("partially update{part} the specified {kind}"),
            Verb::Delete => format!("delete {}", names::with_article(kind)),
            Verb::DeleteCollection => format!("delete collection of {kind}"),
            Verb::Watch => format!(
                "watch changes to an object of kind {kind}. deprecated: use the 'watch' parameter with a list operation instead, filtered to a single item with the 'fieldSelector' parameter."
            ),
            Verb::WatchList => format!(
                "watch individual changes to a list of {kind}. deprecated: use the 'watch' parameter with a list operation instead."
            ),
            Verb::Connect(method) => {
                format!("connect {} requests to{part} {kind}", method.to_ascii_uppercase())
            }
        }
    }

    fn request_body(&self) -> Option<Value> {
        match self.verb {
            Verb::Create | Verb::Update => {
                let content = content(self.consumed(), &self.definition());
                Some(json!({"content": content, "required": true}))
            }
            Verb::Patch => {
                // Custom kinds have no merge rules of their own.
                let n_media = if self.kind.is_structural() { 3 } else { 4 };
                let content = content(&PATCHES[..n_media], &reference(schemas::PATCH));
                Some(json!({"content": content, "required": true}))
            }
            Verb::Delete | Verb::DeleteCollection => {
                let content = content(self.consumed(), &reference(definitions::DELETE_OPTIONS));
                Some(json!({"content": content}))
            }
            Verb::List | Verb::Get | Verb::Watch | Verb::WatchList | Verb::Connect(_) => None,
        }
    }

    /// Custom kinds have no protobuf form.
    fn consumed(&self) -> &'static [&'static str] {
        match self.kind {
            Served::Bundled(_) => &["*/*"],
            Served::Custom(_) => &WRITTEN,
        }
    }

    fn responses(&self) -> Value {
        let text = json!({"type": "string"});
        let content = match self.verb {
            Verb::Connect(_) => content(&["*/*"], &text),
            Verb::Get if self.part == Some(Subresource::Log) => content(&["text/plain"], &text),
            Verb::List if discovery::verbs(self.kind).contains(&"watch") => {
                content(&[JSON, STREAMED, YAML], &reference(&schemas::list_definition(self.kind)))
            }
            Verb::List => content(&WRITTEN, &reference(&schemas::list_definition(self.kind))),
            Verb::Watch | Verb::WatchList => {
                content(&[JSON, STREAMED, YAML], &reference(schemas::WATCH_EVENT))
            }
            // Of a collection that is deleted the objects are sent; documents say this all the same.
            Verb::DeleteCollection => content(&WRITTEN, &reference(schemas::STATUS)),
            Verb::Delete => match self.kind.deleted() {
                Deleted::Status => content(&WRITTEN, &reference(schemas::STATUS)),
                Deleted::Object => content(&WRITTEN, &self.definition()),
            },
            Verb::Create | Verb::Get | Verb::Update | Verb::Patch => content(&WRITTEN, &self.definition()),
        };
        let codes = self.verb.codes().iter();
        let answers =
            codes.map(|(code, what)| ((*code).to_owned(), json!({"description": what, "content": content})));
        let mut responses: Map<String, Value> = answers.collect();
        responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
        Value::Object(responses)
    }

    /// The definition of what is read and written.
    fn definition(&self) -> Value {
        match self.part {
            Some(Subresource::Scale) => reference(definitions::SCALE),
            Some(Subresource::Token) => reference(schemas::TOKEN_REQUEST),
            Some(Subresource::Eviction) => reference(schemas::EVICTION),
            Some(Subresource::Binding) => reference(schemas::BINDING),
            None
            | Some(
                Subresource::Status
                | Subresource::Log
                | Subresource::Exec
                | Subresource::Attach
                | Subresource::PortForward
                | Subresource::Finalize
                | Subresource::EphemeralContainers
                | Subresource::Resize
                | Subresource::Proxy
                | Subresource::Approval,
            ) => reference(self.kind.definition()),
        }
    }
}

/// A definition of the same document.
pub(super) fn reference(definition: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{definition}")})
}

/// One schema in several media types.
pub(super) fn content(media: &[&str], schema: &Value) -> Value {
    media.iter().map(|media| ((*media).to_owned(), json!({"schema": schema}))).collect::<Map<_, _>>().into()
}
