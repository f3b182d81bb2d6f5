//! Paths that name no objects: which groups, versions and resources there are, the server's
//! version, how its tokens are verified.
//!
//! Sources: `apiserver/pkg/endpoints/discovery` (`group.go`, `legacy.go`, `root.go`, `version.go`),
//! `pkg/server/routes/{version,openidmetadata}.go`.

use serde_json::{Value, json};

use super::names;
use super::operations::{WRITTEN, content, reference};
use super::paths::{self, Paths};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// A path that is read and has no parameters.
struct Fixed<'a> {
    path: &'a str,
    id: &'a str,
    tag: &'a str,
    description: &'a str,
    media: &'a [&'a str],
    schema: Value,
}

/// Documents beside those of groups and their versions.
pub(super) const DOCUMENTS: [&str; 5] =
    [".well-known/openid-configuration", "api", "apis", "openid/v1/jwks", "version"];

/// The path of one of [`DOCUMENTS`].
pub(super) fn add(paths: &mut Paths, document: &str) {
    let path = format!("/{document}/");
    let text = json!({"type": "string"});
    let meta = |name: &str| reference(&format!("{META}.{name}"));
    let fixed = |id: &'static str, tag: &'static str, description: &'static str, schema: Value| Fixed {
        path: &path,
        id,
        tag,
        description,
        media: &WRITTEN,
        schema,
    };
    let fixed = match document {
        "api" => fixed("getCoreAPIVersions", "core", "get available API versions", meta("APIVersions")),
        "apis" => fixed("getAPIVersions", "apis", "get available API versions", meta("APIGroupList")),
        "version" => Fixed {
            media: &["application/json"],
            ..fixed(
                "getCodeVersion",
                "version",
                "get the version information for this server",
                reference("io.k8s.apimachinery.pkg.version.Info"),
            )
        },
        "openid/v1/jwks" => Fixed {
            media: &["application/jwk-set+json"],
            ..fixed(
                "getServiceAccountIssuerOpenIDKeyset",
                "openid",
                "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
                text,
            )
        },
        _ => Fixed {
            media: &["application/json"],
            ..fixed(
                "getServiceAccountIssuerOpenIDConfiguration",
                "WellKnown",
                "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
                text,
            )
        },
    };
    insert(paths, fixed);
}

/// `/apis/apps/`: the versions of a group.
pub(super) fn add_group(paths: &mut Paths, group: &str) {
    insert(
        paths,
        Fixed {
            path: &format!("/apis/{group}/"),
            id: &format!("get{}APIGroup", names::of_group(group)),
            tag: &names::tag(group, None),
            description: "get information of a group",
            media: &WRITTEN,
            schema: reference(&format!("{META}.APIGroup")),
        },
    );
}

/// `/apis/apps/v1/`: the resources of a version.
pub(super) fn add_version(paths: &mut Paths, group: &str, version: &str) {
    insert(
        paths,
        Fixed {
            path: &format!("{}/", paths::root(group, version)),
            id: &format!("get{}APIResources", names::of_version(group, version)),
            tag: &names::tag(group, Some(version)),
            description: "get available resources",
            media: &WRITTEN,
            schema: reference(&format!("{META}.APIResourceList")),
        },
    );
}

fn insert(paths: &mut Paths, fixed: Fixed<'_>) {
    let Fixed { path, id, tag, description, media, schema } = fixed;
    let get = json!({
        "description": description,
        "operationId": id,
        "tags": [tag],
        "responses": {
            "200": {"description": "OK", "content": content(media, &schema)},
            "401": {"description": "Unauthorized"},
        },
    });
    paths.insert(path.to_owned(), json!({"get": get}));
}
