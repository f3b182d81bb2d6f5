//! Who is asking.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

/// A user as the API knows one: a name, groups, and what else credentials tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    /// `jane`, `system:serviceaccount:shop:default`.
    pub name: String,
    /// Tells two users of one name apart; may be empty.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Anything else, by key.
    pub extra: BTreeMap<String, Vec<String>>,
    /// One of our own controllers, in this process. Only [`User::controller`] says so: no
    /// credential and no impersonated name does.
    is_controller: bool,
}

/// May do everything.
pub(crate) const MASTERS: &str = "system:masters";
/// Everybody who has proved to be somebody.
pub(crate) const AUTHENTICATED: &str = "system:authenticated";
/// Everybody else.
pub(crate) const UNAUTHENTICATED: &str = "system:unauthenticated";
/// Who shows no credentials.
pub(crate) const ANONYMOUS: &str = "system:anonymous";

// === impl User ===

impl User {
    /// One of our own controllers: `system:controller:<name>`.
    #[must_use]
    pub fn controller(name: &str) -> Self {
        Self {
            groups: vec![AUTHENTICATED.to_owned()],
            is_controller: true,
            ..Self::named(format!("system:controller:{name}"))
        }
    }

    /// Who administers everything, as the kubeconfig's credentials say.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            groups: vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()],
            ..Self::named(Self::ADMIN.to_owned())
        }
    }

    /// The name of [`User::admin`].
    pub const ADMIN: &str = "spur-admin";
    /// The group that lets an administrator do everything.
    pub const ADMIN_GROUP: &str = MASTERS;

    pub(crate) fn named(name: String) -> Self {
        Self { name, ..Self::default() }
    }

    pub(crate) fn in_groups(self, groups: Vec<String>) -> Self {
        Self { groups, ..self }
    }

    pub(crate) fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|known| known == group)
    }

    /// Has shown no credentials.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.is_in(UNAUTHENTICATED)
    }

    /// May do everything.
    pub(crate) fn is_administrator(&self) -> bool {
        self.is_in(MASTERS)
    }

    pub(crate) fn is_controller(&self) -> bool {
        self.is_controller
    }

    /// As reviews show one (`authentication.k8s.io/v1 UserInfo`).
    pub(crate) fn to_json(&self) -> Value {
        let mut info = Map::new();
        info.insert("username".to_owned(), json!(self.name));
        if !self.uid.is_empty() {
            info.insert("uid".to_owned(), json!(self.uid));
        }
        if !self.groups.is_empty() {
            info.insert("groups".to_owned(), json!(self.groups));
        }
        if !self.extra.is_empty() {
            info.insert("extra".to_owned(), json!(self.extra));
        }
        Value::Object(info)
    }
}
