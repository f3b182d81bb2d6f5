//! The words that names of operations and tags are made of.
//!
//! Source: `apiserver/pkg/endpoints/openapi/openapi.go` (`GetOperationIDAndTags`,
//! `ToValidOperationID`) and `endpoints/installer.go` (`GetArticleForNoun`).

/// `apps_v1`, and `apps` of a group.
pub(super) fn tag(group: &str, version: Option<&str>) -> String {
    match version {
        Some(version) => format!("{}_{}", camel(short(group)), camel(version)),
        None => camel(short(group)),
    }
}

/// `RbacAuthorization`.
pub(super) fn of_group(group: &str) -> String {
    capital(&camel(short(group)))
}

/// `RbacAuthorizationV1`.
pub(super) fn of_version(group: &str, version: &str) -> String {
    of_group(group) + &capital(&camel(version))
}

/// `a Pod`, `an Ingress`, `Endpoints`.
pub(super) fn with_article(kind: &str) -> String {
    if kind.ends_with('s') && !kind.ends_with("ss") {
        return kind.to_owned();
    }
    let is_vowel = kind.starts_with(['A', 'E', 'I', 'O', 'U']);
    format!("{} {kind}", if is_vowel { "an" } else { "a" })
}

/// With its first letter large.
pub(super) fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
}

fn short(group: &str) -> &str {
    if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) }
}

/// Letters and digits, and the letter after anything else large.
fn camel(text: &str) -> String {
    let parts = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
    let mut parts = parts.filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |name, part| name + &capital(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_and_kinds_read_as_in_a_real_document() {
        assert_eq!(of_version("", "v1"), "CoreV1");
        assert_eq!(of_version("rbac.authorization.k8s.io", "v1"), "RbacAuthorizationV1");
        assert_eq!(tag("rbac.authorization.k8s.io", Some("v1")), "rbacAuthorization_v1");
        assert_eq!(tag("apps", None), "apps");
        let kinds = ["Pod", "Ingress", "Endpoints", "StorageClass"].map(with_article);
        assert_eq!(kinds, ["a Pod", "an Ingress", "Endpoints", "a StorageClass"]);
    }
}
