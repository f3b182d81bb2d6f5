//! Who asks a registry: what the pod's secrets say, else the user's own configuration of Docker, with
//! its helper programs.
//!
//! Source of the file: <https://docs.docker.com/reference/cli/docker/login/>, of the helpers' protocol:
//! <https://github.com/docker/docker-credential-helpers>.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use bollard::auth::DockerCredentials;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::image::RegistryCredential;

/// What configuration files call Docker Hub.
const HUB: &str = "https://index.docker.io/v1/";
/// A helper may ask a keychain; one that waits for somebody is not waited for.
const HELPER_WITHIN: Duration = Duration::from_secs(10);
/// What a helper gives instead of a name where the secret is a token.
const TOKEN_USER: &str = "<token>";

/// The credential for a registry; `None` where nobody has one, and it is asked without.
pub(in crate::docker) async fn of(
    registry: &str,
    given: &[RegistryCredential],
    home: Option<&Path>,
) -> Option<DockerCredentials> {
    if let Some(found) = given.iter().find(|credential| names(&credential.registry, registry)) {
        return Some(credentials(&found.username, &found.password, registry));
    }
    let file = home?.join(".docker/config.json");
    let config: Value = serde_json::from_slice(&tokio::fs::read(file).await.ok()?).ok()?;
    if let Some(helper) = helper(&config, registry) {
        return from_helper(&helper, registry).await;
    }
    let auths = config.get("auths")?.as_object()?;
    let (_, entry) = auths.iter().find(|(name, _)| names(name, registry))?;
    from_entry(entry, registry)
}

/// Whether a name in a configuration file means this registry.
fn names(name: &str, registry: &str) -> bool {
    let host = name.trim_start_matches("https://").trim_start_matches("http://");
    let host = host.split('/').next().unwrap_or_default();
    host == registry || registry == "docker.io" && matches!(host, "index.docker.io" | "registry-1.docker.io")
}

/// The registry's own helper, else that of all.
fn helper(config: &Value, registry: &str) -> Option<String> {
    let helpers = config.get("credHelpers").and_then(Value::as_object);
    let own = helpers.into_iter().flatten().find(|(name, _)| names(name, registry));
    let all = config.get("credsStore");
    let helper = own.map(|(_, helper)| helper).or(all)?.as_str()?;
    // It becomes part of a program's name.
    let is_name = helper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    (is_name && !helper.is_empty()).then(|| helper.to_owned())
}

fn from_entry(entry: &Value, registry: &str) -> Option<DockerCredentials> {
    let text = |field: &str| entry.get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Some(DockerCredentials {
            identitytoken: Some(token.to_owned()),
            serveraddress: Some(server(registry)),
            ..DockerCredentials::default()
        });
    }
    if let (Some(username), Some(password)) = (text("username"), text("password")) {
        return Some(credentials(username, password, registry));
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(text("auth")?).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some(credentials(username, password.trim_end_matches('\0'), registry))
}

async fn from_helper(helper: &str, registry: &str) -> Option<DockerCredentials> {
    let asked = async {
        let mut command = Command::new(format!("docker-credential-{helper}"));
        command.arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.kill_on_drop(true).spawn().ok()?;
        let mut stdin = child.stdin.take()?;
        stdin.write_all(server(registry).as_bytes()).await.ok()?;
        drop(stdin);
        child.wait_with_output().await.ok()
    };
    let output = tokio::time::timeout(HELPER_WITHIN, asked).await.ok()??;
    let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
    let (username, secret) = (answer.get("Username")?.as_str()?, answer.get("Secret")?.as_str()?);
    if username == TOKEN_USER {
        return Some(DockerCredentials {
            identitytoken: Some(secret.to_owned()),
            serveraddress: Some(server(registry)),
            ..DockerCredentials::default()
        });
    }
    Some(credentials(username, secret, registry))
}

fn server(registry: &str) -> String {
    if registry == "docker.io" { HUB.to_owned() } else { registry.to_owned() }
}

fn credentials(username: &str, password: &str, registry: &str) -> DockerCredentials {
    DockerCredentials {
        username: Some(username.to_owned()),
        password: Some(password.to_owned()),
        serveraddress: Some(server(registry)),
        ..DockerCredentials::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    async fn found(config: Value, registry: &str) -> Option<String> {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".docker")).unwrap();
        std::fs::write(home.path().join(".docker/config.json"), config.to_string()).unwrap();
        let found = of(registry, &[], Some(home.path())).await?;
        let text = |text: Option<String>| text.unwrap_or_default();
        Some(format!("{}:{}:{}", text(found.username), text(found.password), text(found.identitytoken)))
    }

    #[tokio::test]
    async fn the_users_configuration_is_read_as_docker_reads_it() {
        let auths = json!({"auths": {
            HUB: {"auth": "YW5uOnNlY3JldA=="}, "ghcr.io": {"username": "bob", "password": "p"},
            "token.io": {"identitytoken": "t"}, "broken.io": {"auth": "%"},
        }});
        for (registry, wanted) in [
            ("docker.io", Some("ann:secret:")),
            ("ghcr.io", Some("bob:p:")),
            ("token.io", Some("::t")),
            ("broken.io", None),
            ("other.io", None),
        ] {
            assert_eq!(found(auths.clone(), registry).await.as_deref(), wanted, "{registry}");
        }
        assert_eq!(found(json!({"credsStore": "../../bin/sh"}), "docker.io").await, None);
        assert_eq!(found(json!({"credsStore": "no-such-helper"}), "docker.io").await, None);
        assert_eq!(of("docker.io", &[], Some(Path::new("/nowhere"))).await, None);
    }

    #[tokio::test]
    async fn what_the_pod_brings_comes_first() {
        let own = RegistryCredential {
            registry: "https://ghcr.io".to_owned(),
            username: "pod".to_owned(),
            password: "s".to_owned(),
        };
        let found = of("ghcr.io", std::slice::from_ref(&own), None).await.unwrap();
        assert_eq!(found.username.as_deref(), Some("pod"));
        assert_eq!(of("docker.io", std::slice::from_ref(&own), None).await, None);
        assert!(!format!("{own:?}").contains("password: \"s\""), "{own:?}");
    }
}
