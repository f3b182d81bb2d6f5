//! What an image's name means. Pure.
//!
//! Source: <https://github.com/distribution/reference/blob/v0.6.0/normalize.go>.

/// A name with everything that is usually left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::docker) struct Reference {
    /// As the engine takes it: with a tag or digest, without which it fetches every tag.
    pub(in crate::docker) full: String,
    /// The registry, `docker.io` where none is named.
    pub(in crate::docker) registry: String,
}

/// Where images are that name no registry.
const USUAL_REGISTRY: &str = "docker.io";
/// The longest name without its tag (`NameTotalLengthMax`).
const NAME_MAX: usize = 255;
/// The longest tag (`reference.TagRegexp`).
const TAG_MAX: usize = 128;

/// # Errors
/// What is wrong with it.
pub(in crate::docker) fn parse(image: &str) -> Result<Reference, &'static str> {
    let (rest, digest) = match image.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest)),
        None => (image, None),
    };
    // A colon behind the last slash begins the tag; one before it belongs to a port.
    let (name, tag) = match rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
        Some((name, tag)) => (name, Some(tag)),
        None => (rest, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        Some(_) | None => (USUAL_REGISTRY, name),
    };
    let is_part = |part: &str| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(is_plain)
            && part.ends_with(is_plain)
            && part.chars().all(|c| is_plain(c) || matches!(c, '.' | '_' | '-'))
    };
    let is_host = |host: &str| {
        !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':'))
    };
    if path.chars().any(|c| c.is_ascii_uppercase()) {
        return Err("repository name must be lowercase");
    }
    if name.len() > NAME_MAX {
        return Err("repository name must not be more than 255 characters");
    }
    if !path.split('/').all(is_part) || !is_host(registry) {
        return Err("invalid reference format");
    }
    let is_tag = |tag: &str| {
        tag.len() <= TAG_MAX
            && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && tag.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
    };
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("invalid reference format");
    }
    let is_digest = |digest: &str| {
        digest
            .split_once(':')
            .is_some_and(|(_, hash)| hash.len() >= 32 && hash.chars().all(|c| c.is_ascii_hexdigit()))
    };
    let full = match (tag, digest) {
        (_, Some(digest)) if !is_digest(digest) => return Err("invalid reference format"),
        (None, None) => format!("{name}:latest"),
        (Some(_), None) | (_, Some(_)) => image.to_owned(),
    };
    Ok(Reference { full, registry: registry.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_filled_in() {
        let check = |image: &str, full: &str, registry: &str| {
            let wanted = Reference { full: full.to_owned(), registry: registry.to_owned() };
            assert_eq!(parse(image), Ok(wanted), "{image}");
        };
        check("postgres", "postgres:latest", "docker.io");
        check("postgres:17", "postgres:17", "docker.io");
        check("library/postgres:17", "library/postgres:17", "docker.io");
        check("localhost:5000/cart", "localhost:5000/cart:latest", "localhost:5000");
        check("localhost/cart:a", "localhost/cart:a", "localhost");
        check("ghcr.io/a/b-c/d_e:v1.2", "ghcr.io/a/b-c/d_e:v1.2", "ghcr.io");
        let digest = format!("a@sha256:{}", "0".repeat(64));
        check(&digest, &digest, "docker.io");
    }

    #[test]
    fn what_is_no_name_is_said() {
        for (image, why) in [
            ("", "invalid reference format"),
            ("Postgres", "repository name must be lowercase"),
            ("a:b:c", "invalid reference format"),
            ("a/-b", "invalid reference format"),
            ("a b", "invalid reference format"),
            ("a:", "invalid reference format"),
            ("a@sha256:xyz", "invalid reference format"),
            ("http://a/b", "invalid reference format"),
        ] {
            assert_eq!(parse(image), Err(why), "{image}");
        }
        assert!(parse(&"a".repeat(256)).is_err());
    }
}
