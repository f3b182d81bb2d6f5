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

/// Where the server's address and the credentials come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origin {
    /// `--server`, which beats the address in the files.
    pub(crate) server: Option<String>,
    /// Kubeconfig files; the first that says something wins. Empty only where `server` is given.
    pub(crate) files: Vec<PathBuf>,
}

/// Chooses; reads no file, but looks whether there is one.
///
/// # Errors
/// When nothing names a server.
pub(crate) fn origin(connection: &ConnectionArgs, environment: &Environment) -> Result<Origin> {
    let ConnectionArgs { server, kubeconfig, context: _ } = connection;
    let of_files = |files| Ok(Origin { server: server.clone(), files });
    if let Some(file) = kubeconfig {
        return of_files(vec![file.clone()]);
    }
    if let Some(list) = environment.kubeconfig.as_deref().filter(|list| !list.is_empty()) {
        let all: Vec<PathBuf> = std::env::split_paths(list).filter(|path| path != Path::new("")).collect();
        let there: Vec<PathBuf> = all.iter().filter(|path| path.exists()).cloned().collect();
        if there.is_empty() && server.is_none() {
            let failure = Failure::new(format!("KUBECONFIG names no file that exists: {}", list.display()));
            return Err(failure.hint("unset KUBECONFIG to use the server of `spur up`").into());
        }
        return of_files(there);
    }
    let file = &environment.default_kubeconfig;
    if !file.exists() {
        if server.is_some() {
            return of_files(Vec::new());
        }
        let failure = Failure::new(format!("no spur was started here: found no {}", file.display()));
        let failure = failure.hint("start one with `spur up`, or name its address with --server");
        return Err(failure.exit(Exit::NoServer).into());
    }
    of_files(vec![file.clone()])
}

/// A client of the server that is meant; nothing is sent yet.
///
/// # Errors
/// When nothing names a server, or what names it cannot be read.
pub(crate) async fn connect(connection: &ConnectionArgs, environment: &Environment) -> Result<Client> {
    let Origin { server, files } = origin(connection, environment)?;
    let url = server.as_deref().map(address).transpose()?;
    let config = match (files.as_slice(), url) {
        ([], Some(url)) => Config::new(url),
        (files, url) => {
            let mut config = config_of_files(files, connection.context.clone()).await?;
            if let Some(url) = url {
                config.cluster_url = url;
            }
            config
        }
    };
    client(config)
}

/// A client of the server that a kubeconfig names.
///
/// # Errors
/// When the file cannot be read or is no kubeconfig.
pub(crate) async fn connect_by(kubeconfig: &Path) -> Result<Client> {
    client(config_of_files(&[kubeconfig.to_owned()], None).await?)
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

/// The address that was typed; `https` where no scheme was.
fn address(url: &str) -> Result<http::Uri> {
    let with_scheme = if url.contains("://") { url.to_owned() } else { format!("https://{url}") };
    let uri: http::Uri = with_scheme
        .parse()
        .map_err(|error| Failure::usage(format!("`{url}` is no address of a server: {error}")))?;
    if uri.host().is_none() {
        return Err(Failure::usage(format!("`{url}` is no address of a server: it has no host")).into());
    }
    Ok(uri)
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
            state_dir: directory.to_owned(),
            is_ascii: false,
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
        let files = |files: &[&PathBuf]| Origin {
            files: files.iter().copied().cloned().collect(),
            ..Origin::default()
        };
        assert_eq!(origin(&connection, &environment).unwrap(), files(&[&own]));

        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        std::fs::write(&two, "").unwrap();
        environment.kubeconfig = Some(std::env::join_paths([&one, &two]).unwrap());
        assert_eq!(origin(&connection, &environment).unwrap(), files(&[&two]));

        connection.kubeconfig = Some("three".into());
        assert_eq!(origin(&connection, &environment).unwrap(), files(&[&"three".into()]));
        connection.server = Some("http://x".into());
        let with_server = Origin { server: Some("http://x".into()), ..files(&[&"three".into()]) };
        assert_eq!(origin(&connection, &environment).unwrap(), with_server);
    }

    #[test]
    fn an_address_needs_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let connection = ConnectionArgs { server: Some("http://x".into()), ..ConnectionArgs::default() };
        let found = origin(&connection, &environment(directory.path())).unwrap();
        assert_eq!(found, Origin { server: Some("http://x".into()), files: Vec::new() });
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
        let directory = tempfile::tempdir().unwrap();
        let server = Some(format!("127.0.0.1:{port}"));
        let connection = ConnectionArgs { server, ..ConnectionArgs::default() };
        let client = connect(&connection, &environment(directory.path())).await.unwrap();
        let error = anyhow::Error::new(client.get("/livez").await.unwrap_err());
        let expected = format!("no spur answers at https://127.0.0.1:{port}: connection refused");
        assert_eq!(error.to_string(), expected);
        assert_eq!(crate::error::hint(&error).as_deref(), Some("start one with `spur up`"));
        assert_eq!(crate::error::exit(&error), Exit::NoServer);
    }
}
