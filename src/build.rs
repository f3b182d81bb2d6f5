//! `spur build`: an image from a folder, by the Docker engine.
//!
//! Steps go to standard error as they are done, what a script needs to standard output.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, anyhow, bail};
use serde_json::json;
use spur_cli::Exit;
use spur_cli::args::{BuildArgs, TextOrJson};
use spur_runtime::docker::{BuildPlan, Engine};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::config::{self, Config};
use crate::say::say;

/// Texts of the engine that wait to be printed: whoever reads slowly slows the build down.
const TEXTS_MAX: usize = 64;

/// Builds, and says how it ended.
pub(crate) async fn build(args: BuildArgs, config: &Config) -> ExitCode {
    let exit = match try_build(args, config).await {
        Ok(exit) => exit,
        Err(error) => {
            say(format_args!("error: {error:#}"));
            Exit::Failed
        }
    };
    exit.into()
}

async fn try_build(args: BuildArgs, config: &Config) -> Result<Exit> {
    let BuildArgs { path, tag, file, build_arg, target, no_cache, pull, quiet, output } = args;
    check_path(&path, "PATH")?;
    if let Some(file) = &file {
        check_path(file, "--file")?;
    }
    let plan = BuildPlan {
        context: path,
        dockerfile: file,
        tags: tag,
        args: values(&build_arg)?,
        target,
        ignores_cache: no_cache,
        fetches_bases: pull,
    };
    let connected = Engine::connect(config.docker.clone()).await;
    let engine = connected.map_err(|error| anyhow!("{error}\nhint: {}", error.hint()))?;
    let (mut interrupts, mut terminations) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // What the engine tells -- the build --> standard error.
    let (news_tx, news_rx) = mpsc::channel(TEXTS_MAX);
    let built = async {
        let built = engine.build(&plan, config.home.as_deref(), &news_tx).await;
        drop(news_tx);
        built
    };
    let built = tokio::select! {
        (built, ()) = async { tokio::join!(built, print(news_rx, quiet)) } => built,
        // The engine ends a build that nobody listens to.
        _ = interrupts.recv() => return Ok(Exit::Interrupted),
        _ = terminations.recv() => return Ok(Exit::Terminated),
    };
    let id = built.map_err(|error| match error.hint() {
        Some(hint) => anyhow!("{error}\nhint: {hint}"),
        None => anyhow!("{error}"),
    })?;
    match output {
        TextOrJson::Json => println!("{}", json!({ "id": id, "tags": plan.tags })),
        TextOrJson::Text if quiet => println!("{id}"),
        TextOrJson::Text => {}
    }
    Ok(Exit::Success)
}

/// The Docker CLI takes more than folders and files.
fn check_path(path: &Path, what: &str) -> Result<()> {
    let text = path.to_string_lossy();
    if text == "-" {
        bail!("{what}: standard input is not supported\nhint: write it to a file");
    }
    if text.contains("://") || text.starts_with("git@") {
        bail!("{what}: `{text}` is an address, which is not supported\nhint: fetch it into a folder first");
    }
    Ok(())
}

/// Values of `--build-arg`; of a name alone that of the environment, and none where that has none, as
/// the Docker CLI has it.
fn values(words: &[String]) -> Result<BTreeMap<String, String>> {
    let mut values = BTreeMap::new();
    for word in words {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&**word, config::named(word)),
        };
        if name.is_empty() {
            bail!("--build-arg: `{word}` has no name; want `NAME=VALUE`");
        }
        values.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(values)
}

async fn print(mut news_rx: mpsc::Receiver<String>, is_quiet: bool) {
    while let Some(text) = news_rx.recv().await {
        if !is_quiet {
            // Where nobody reads any more, the build goes on.
            let _lost = std::io::stderr().lock().write_all(text.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_have_equals_signs_and_a_name_may_not_be_empty() {
        let words = ["A=b=c", "EMPTY=", "SPUR_TEST_NOBODY_SETS_THIS"].map(str::to_owned);
        let wanted =
            BTreeMap::from([("A".to_owned(), "b=c".to_owned()), ("EMPTY".to_owned(), String::new())]);
        assert_eq!(values(&words).unwrap(), wanted);
        assert!(values(&["=x".to_owned()]).is_err());
    }

    #[test]
    fn what_is_neither_folder_nor_file_is_said() {
        for (path, wanted) in
            [("-", "standard input"), ("https://x/y.git", "address"), ("git@x:y", "address")]
        {
            assert!(check_path(Path::new(path), "PATH").unwrap_err().to_string().contains(wanted), "{path}");
        }
        check_path(Path::new("./a"), "PATH").unwrap();
    }
}
