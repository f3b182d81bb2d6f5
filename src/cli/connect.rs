//! Which server: `--server`, else `--kubeconfig`, else `KUBECONFIG`, else the
//! kubeconfig that `spur up` wrote.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use crate::args::ConnectionArgs;
use crate::client::Client;
use crate::environment::Environment;
use crate::error::{Exit, Failure};

/// Where the server's address comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// `--server`.
    Url(String),
    /// Kubeconfig files; the first that says something wins.
    Files(Vec<PathBuf>),
}

/// Chooses; reads no file, but looks whether there is one.
///
/// # Errors
/// When nothing names a server.
pub(crate) fn origin(connection: &ConnectionArgs, environment: &Environment) -> Result<Origin> {
    let ConnectionArgs { server, kubeconfig, context: _ } = connection;
    if let Some(url) = server {
        return Ok(Origin::Url(url.clone()));
    }
    if let Some(file) = kubeconfig {
        return Ok(Origin::Files(vec![file.clone()]));
    }
    if let Some(list) = environment.kubeconfig.as_deref().filter(|list| !list.is_empty()) {
        let all: Vec<PathBuf> = std::env::split_paths(list).filter(|path| path != Path::new("")).collect();
        let there: Vec<PathBuf> = all.iter().filter(|path| path.exists()).cloned().collect();
        if there.is_empty() {
            let failure = Failure::new(format!("KUBECONFIG names no file that exists: {}", list.display()));
            return Err(failure.hint("unset KUBECONFIG to use the server of `spur up`").into());
        }
        return Ok(Origin::Files(there));
    }
    let file = &environment.default_kubeconfig;
    if !file.exists() {
        let failure = Failure::new(format!("no spur was started here: found no {}", file.display()));
        let failure = failure.hint("start one with `spur up`, or name its address with --server");
        return Err(failure.exit(Exit::NoServer).into());
    }
    Ok(Origin::Files(vec![file.clone()]))
}

/// A client of the server that is meant; nothing is sent yet.
///
/// # Errors
/// When nothing names a server, or what names it cannot be read.
pub(crate) async fn connect(connection: &ConnectionArgs, environment: &Environment) -> Result<Client> {
    let config = match origin(connection, environment)? {
        Origin::Url(url) => config_of_url(&url)?,
        Origin::Files(files) => config_of_files(&files, connection.context.clone()).await?,
    };
    client(config)
}

/// A client of a server by address.
///
/// # Errors
/// When the text is no address.
pub(crate) fn connect_to(url: &str) -> Result<Client> {
    client(config_of_url(url)?)
}

/// What the files say, merged as `kubectl` does.
///
/// # Errors
/// When a file cannot be read or is no kubeconfig.
pub(crate) fn read_kubeconfig(files: &[PathBuf]) -> Result<Kubeconfig> {
    let mut merged = Kubeconfig::default();
    for file in files {
        let tried = || format!("failed to read kubeconfig `{}`", file.display());
        let next = Kubeconfig::read_from(file).with_context(tried)?;
        merged = merged.merge(next).with_context(tried)?;
    }
    Ok(merged)
}

async fn config_of_files(files: &[PathBuf], context: Option<String>) -> Result<Config> {
    let kubeconfig = read_kubeconfig(files)?;
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let shown = || {
        let files: Vec<String> = files.iter().map(|file| format!("`{}`", file.display())).collect();
        format!("failed to use kubeconfig {}", files.join(", "))
    };
    Config::from_custom_kubeconfig(kubeconfig, &options).await.with_context(shown)
}

fn config_of_url(url: &str) -> Result<Config> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
    let uri: http::Uri = with_scheme
        .parse()
        .map_err(|error| Failure::usage(format!("`{url}` is no address of a server: {error}")))?;
    if uri.host().is_none() {
        return Err(Failure::usage(format!("`{url}` is no address of a server: it has no host")).into());
    }
    Ok(Config::new(uri))
}

fn client(config: Config) -> Result<Client> {
    let url = config.cluster_url.to_string().trim_end_matches('/').to_owned();
    let namespace = config.default_namespace.clone();
    let kube = kube::Client::try_from(config).with_context(|| format!("failed to make a client of {url}"))?;
    Ok(Client::new(kube, url, namespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(directory: &Path) -> Environment {
        Environment {
            executable: "spur".into(),
            kubeconfig: None,
            default_kubeconfig: directory.join("up.yaml"),
            temp_dir: directory.to_owned(),
            wants_colour: false,
            is_stdin_terminal: false,
            is_stdout_terminal: false,
            is_stderr_terminal: false,
        }
    }

    #[test]
    fn the_nearest_word_names_the_server() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = environment(directory.path());
        let mut connection = ConnectionArgs::default();
        let error = origin(&connection, &environment).unwrap_err();
        assert_eq!(crate::error::exit(&error), Exit::NoServer);

        let own = environment.default_kubeconfig.clone();
        std::fs::write(&own, "").unwrap();
        assert_eq!(origin(&connection, &environment).unwrap(), Origin::Files(vec![own]));

        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        std::fs::write(&two, "").unwrap();
        environment.kubeconfig = Some(std::env::join_paths([&one, &two]).unwrap());
        assert_eq!(origin(&connection, &environment).unwrap(), Origin::Files(vec![two]));

        connection.kubeconfig = Some("three".into());
        assert_eq!(origin(&connection, &environment).unwrap(), Origin::Files(vec!["three".into()]));
        connection.server = Some("http://x".into());
        assert_eq!(origin(&connection, &environment).unwrap(), Origin::Url("http://x".into()));
    }

    #[test]
    fn a_kubeconfig_variable_that_leads_nowhere_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut environment = environment(directory.path());
        environment.kubeconfig = Some("/nowhere/at/all".into());
        let error = origin(&ConnectionArgs::default(), &environment).unwrap_err();
        assert_eq!(error.to_string(), "KUBECONFIG names no file that exists: /nowhere/at/all");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_with_its_address() {
        // A port that was free a moment ago.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = connect_to(&format!("127.0.0.1:{port}")).unwrap();
        let error = anyhow::Error::new(client.get("/livez").await.unwrap_err());
        let expected = format!("no spur answers at http://127.0.0.1:{port}: connection refused");
        assert_eq!(error.to_string(), expected);
        assert_eq!(crate::error::hint(&error).as_deref(), Some("start one with `spur up`"));
        assert_eq!(crate::error::exit(&error), Exit::NoServer);
    }
}
