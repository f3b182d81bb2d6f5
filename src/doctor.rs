//! `spur doctor`: what can run pods on this machine, and what is in the way.
//!
//! Everything is tried, nothing is changed: what `spur up` would do first is done here and undone.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustix::fs::Access;
use serde::Serialize;
use spur_cli::args::{DoctorArgs, TextOrJson, UpArgs};
use spur_holder::Image;
use spur_runtime::docker::{Engine, EngineError};

use crate::config::Config;

/// How long a question may take: an engine that works answers in milliseconds.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What is behind a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    /// Something is left out, or has to be said at the start.
    Warning,
    /// What it is about does not work.
    Failed,
}

/// What a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Area {
    Process,
    Docker,
    /// Both need it.
    Spur,
}

/// One thing that was tried.
#[derive(Clone, Debug, Serialize)]
struct Check {
    area: Area,
    name: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Tries everything, and says whether a runtime works.
pub(crate) async fn doctor(args: &DoctorArgs, config: &Config) -> ExitCode {
    let mut checks = vec![data(&config.data_dir), memory(Path::new("/dev/shm")), private_network().await];
    checks.extend([
        port("port of the API", UpArgs::PORT_USUAL, "--port"),
        port("port of the entry", UpArgs::ENTRY_PORT_USUAL, "--entry-port"),
    ]);
    checks.extend(docker(config).await);
    let runtimes: Vec<&str> = [(Area::Process, "process"), (Area::Docker, "docker")]
        .into_iter()
        .filter_map(|(area, name)| works(&checks, area).then_some(name))
        .collect();
    match args.output {
        TextOrJson::Json => println!("{}", serde_json::json!({ "runtimes": runtimes, "checks": checks })),
        TextOrJson::Text => print(&checks, &runtimes),
    }
    if runtimes.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// A runtime works where nothing that it needs has failed.
fn works(checks: &[Check], runtime: Area) -> bool {
    let mut needed = checks.iter().filter(|check| check.area == runtime || check.area == Area::Spur);
    needed.all(|check| check.state != State::Failed)
}

fn print(checks: &[Check], runtimes: &[&str]) {
    let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
    for Check { area: _, name, state, found, hint } in checks {
        let state = match state {
            State::Ok => "ok",
            State::Warning => "warn",
            State::Failed => "no",
        };
        println!("{state:<4}  {name:<width$}  {found}");
        if let Some(hint) = hint {
            println!("{:<width$}  hint: {hint}", "", width = width + 6);
        }
    }
    match runtimes {
        [] => println!("pods cannot run here"),
        runtimes => println!("pods can run here by: {}", runtimes.join(", ")),
    }
}

fn data(dir: &Path) -> Check {
    // It may not be there yet; then the nearest folder above has to take it.
    let nearest = dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    let shown = dir.display();
    let (state, found) = match rustix::fs::access(nearest, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => (State::Ok, format!("`{shown}`")),
        Err(errno) => (State::Failed, format!("`{}` cannot be written: {errno}", nearest.display())),
    };
    let hint = (state == State::Failed).then(|| "choose another with `spur up --data DIR`".to_owned());
    Check { area: Area::Spur, name: "data directory", state, found, hint }
}

fn memory(dir: &Path) -> Check {
    let (state, found) = match rustix::fs::access(dir, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => (State::Ok, format!("`{}` takes Secrets, which never reach a disk", dir.display())),
        Err(errno) => {
            let found =
                format!("`{}`: {errno}; Secrets and volumes in memory lie on the disk", dir.display());
            (State::Warning, found)
        }
    };
    Check { area: Area::Spur, name: "memory", state, found, hint: None }
}

fn port(name: &'static str, port: u16, flag: &str) -> Check {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let (state, found) = match spur_net::bind(address) {
        Ok(_) => (State::Ok, format!("{port} is free")),
        Err(error) => (State::Warning, format!("{:#}", anyhow::Error::from(error))),
    };
    let hint = (state != State::Ok).then(|| format!("`spur up {flag} 0` takes a free one"));
    Check { area: Area::Spur, name, state, found, hint }
}

/// Whether processes may have networks of their own, by making one (`spur.dev/network: private`).
async fn private_network() -> Check {
    let check =
        |state, found, hint| Check { area: Area::Process, name: "private networks", state, found, hint };
    match spur_runtime::process::private_networks_allowed().await {
        Ok(()) => check(State::Ok, "pods of processes may have networks of their own".to_owned(), None),
        Err(why) => {
            let (found, hint) = why.split_once("; next: ").unwrap_or((&why, ""));
            let hint = (!hint.is_empty()).then(|| hint.to_owned());
            check(State::Warning, found.to_owned(), hint)
        }
    }
}

async fn docker(config: &Config) -> Vec<Check> {
    let check = |name, state, found, hint| Check { area: Area::Docker, name, state, found, hint };
    let connected = tokio::time::timeout(ANSWERS_WITHIN, connect(config)).await;
    let (engine, found) = match connected {
        Ok(Ok(connected)) => connected,
        Ok(Err(error)) => {
            let hint = Some(error.hint().to_owned());
            return vec![check("Docker engine", State::Failed, error.to_string(), hint)];
        }
        Err(_) => {
            let found = format!("it does not answer within {ANSWERS_WITHIN:?}");
            return vec![check("Docker engine", State::Failed, found, None)];
        }
    };
    let mut checks = vec![check("Docker engine", State::Ok, found, None)];
    let executable = config.environment.executable.clone();
    let image = tokio::task::spawn_blocking(move || Image::of(&executable)).await;
    let image = image.map_err(anyhow::Error::from).and_then(|image| Ok(image?));
    checks.push(match image {
        Ok(image) => {
            check("image of the holder", State::Ok, format!("can be made, as `{}`", image.name()), None)
        }
        Err(error) => check("image of the holder", State::Failed, format!("{error:#}"), None),
    });
    let subnets = tokio::time::timeout(ANSWERS_WITHIN, engine.free_subnets()).await;
    checks.push(match subnets {
        Ok(Ok((0, of))) => {
            let hint = "`spur clean` and `docker network prune` remove networks that nobody uses".to_owned();
            check("networks", State::Failed, format!("none of {of} subnets is free"), Some(hint))
        }
        Ok(Ok((n_free, of))) => {
            check("networks", State::Ok, format!("{n_free} of {of} subnets are free"), None)
        }
        Ok(Err(error)) => check("networks", State::Failed, error.to_string(), None),
        Err(_) => check("networks", State::Failed, format!("no answer within {ANSWERS_WITHIN:?}"), None),
    });
    checks
}

async fn connect(config: &Config) -> Result<(Engine, String), EngineError> {
    let engine = Engine::connect(config.docker.clone()).await?;
    let facts = engine.facts().await?;
    let found =
        format!("{} at `{}`, API {}, kernel {}", facts.version, engine.host(), facts.api, facts.kernel);
    Ok((engine, found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(area: Area, state: State) -> Check {
        Check { area, name: "x", state, found: String::new(), hint: None }
    }

    #[test]
    fn a_runtime_works_where_nothing_that_it_needs_has_failed() {
        let checks = [
            check(Area::Spur, State::Warning),
            check(Area::Process, State::Warning),
            check(Area::Docker, State::Ok),
            check(Area::Docker, State::Failed),
        ];
        assert!(works(&checks, Area::Process));
        assert!(!works(&checks, Area::Docker));
        assert!(!works(&[check(Area::Spur, State::Failed)], Area::Process));
    }

    #[test]
    fn a_port_that_is_held_and_a_folder_that_is_not_there_are_said() {
        let held = spur_net::bind_loopback().unwrap();
        let found = port("p", held.local_addr().unwrap().port(), "--port");
        assert_eq!(
            (found.state, found.hint.as_deref()),
            (State::Warning, Some("`spur up --port 0` takes a free one"))
        );
        assert!(found.found.contains("is held by"), "{}", found.found);
        assert_eq!(memory(Path::new("/nowhere/shm")).state, State::Warning);
        assert_eq!(data(&std::env::temp_dir().join("spur-doctor/new/data")).state, State::Ok);
    }
}
