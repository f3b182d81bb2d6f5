//! The scripts in other languages: found, told of a Spur, and run to their end.

use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use tokio::process::Command;

use crate::harness::{Spur, command};
use crate::needs::Need;

/// A language with a client in it.
#[derive(Clone, Copy)]
struct Language {
    /// The folder of its scripts, and the beginning of their tests' names.
    name: &'static str,
    /// What `SPUR_REQUIRE` calls its client.
    need: &'static str,
    suffix: &'static str,
    /// What the scripts share; no test of its own.
    shared: &'static str,
    program: fn() -> String,
}

const LANGUAGES: [Language; 4] = [
    Language { name: "python", need: "python-client", suffix: ".py", shared: "support.py", program: python },
    Language { name: "node", need: "node-client", suffix: ".mjs", shared: "support.mjs", program: node },
    Language {
        name: "opentelemetry-python",
        need: "opentelemetry-python",
        suffix: ".py",
        shared: "support.py",
        program: python,
    },
    Language {
        name: "opentelemetry-node",
        need: "opentelemetry-node",
        suffix: ".mjs",
        shared: "support.mjs",
        program: node,
    },
];

fn python() -> String {
    std::env::var("SPUR_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

fn node() -> String {
    "node".to_owned()
}

/// One test a script.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for language in LANGUAGES {
        let need = Need::new(language.need, language.absent());
        for script in language.scripts() {
            let name = script.file_stem().unwrap().to_string_lossy();
            let name = format!("{}::{name}", language.name);
            trials.push(need.trial(&name, move || run(language, script)));
        }
    }
    trials
}

/// Why Node's client cannot be used.
pub(crate) fn node_absent() -> Option<String> {
    LANGUAGES.iter().find(|language| language.name == "node").and_then(Language::absent)
}

async fn run(language: Language, script: PathBuf) {
    let spur = Spur::up().start().await;
    let mut running = language.command(&script);
    running.env("KUBECONFIG", spur.kubeconfig()).env("HOME", spur.data().home());
    let facts = spur.run(&["status", "-o", "json"]).await.ok().json();
    for (variable, fact) in [("SPUR_OTLP", "otlp"), ("SPUR_METRICS", "metrics")] {
        running.env(variable, facts[fact].as_str().unwrap());
    }
    // Where pods and the script may leave files.
    running.env("TMPDIR", spur.data().home());
    command::run(running).await.ok();
    spur.end().await;
}

// === impl Language ===

impl Language {
    fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(self.name)
    }

    fn scripts(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.folder()).unwrap().map(|file| file.unwrap().path());
        let is_test = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.ends_with(self.suffix) && name != self.shared
        };
        let mut scripts: Vec<PathBuf> = files.filter(is_test).collect();
        scripts.sort();
        scripts
    }

    fn command(&self, script: &Path) -> Command {
        let mut command = Command::new((self.program)());
        command.arg(script).current_dir(env!("CARGO_MANIFEST_DIR")).kill_on_drop(true);
        // The scripts' folder stays as it is in the repository.
        command.env("PYTHONDONTWRITEBYTECODE", "1");
        command
    }

    /// Why its client cannot be used. The shared script finds the client and needs no server.
    fn absent(&self) -> Option<String> {
        let mut probe = self.command(&self.folder().join(self.shared));
        match probe.as_std_mut().output() {
            Ok(output) if output.status.success() => None,
            Ok(output) => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                // The last line of a traceback says what is amiss.
                let why = stderr.lines().rfind(|line| line.contains("Error")).unwrap_or_default();
                Some(format!("the {} client cannot be loaded: {}", self.name, why.trim()))
            }
            Err(error) => Some(format!("`{}` cannot be started: {error}", (self.program)())),
        }
    }
}
