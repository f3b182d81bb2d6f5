//! Which file a command means, found before anything is started: the system's
//! own answer, "No such file or directory", does not say whether the program,
//! its interpreter or the working directory is missing.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use spur_holder::{Entrance, PodCommand};

use super::private::THIS_PROGRAM;
use crate::container::ContainerPlan;
use crate::start_error::StartError;

/// A command that can be started, as far as one can see beforehand.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Program {
    /// The file to execute.
    pub(super) path: PathBuf,
    /// What it is told as its own name.
    pub(super) arg0: String,
    pub(super) args: Vec<OsString>,
    /// `None`: where Spur runs.
    pub(super) dir: Option<PathBuf>,
}

// === impl Program ===

impl Program {
    /// The same in the network of a pod, where there is one: this program, which moves there and
    /// becomes it. What the kernel says against the file is then in its log.
    pub(super) fn inside(self, entrance: Option<Entrance>) -> Self {
        let Some(entrance) = entrance else { return self };
        let Self { path, arg0, args, dir } = self;
        let words = std::iter::once(OsString::from(arg0)).chain(args).collect();
        let command = PodCommand::Enter { entrance, path: path.into_os_string(), words };
        Self { path: THIS_PROGRAM.into(), arg0: "spur".into(), args: command.args(), dir }
    }
}

/// Finds the program of a plan, whose whole environment is `env`.
pub(super) fn resolve(plan: &ContainerPlan, env: &BTreeMap<String, String>) -> Result<Program, StartError> {
    let command = plan.command_line();
    let Some((arg0, args)) = command.split_first().filter(|(p, _)| !p.is_empty()) else {
        return Err(StartError::NoCommand { container: plan.name.clone() });
    };
    check_text(plan, env)?;
    if let Some(dir) = &plan.working_dir {
        check_dir(dir)?;
    }
    let base = plan.working_dir.as_deref().unwrap_or(Path::new("."));
    let path = if arg0.contains('/') {
        // Joining an absolute path gives that path.
        check_file(arg0, base.join(arg0))?
    } else {
        search(arg0, base, env.get("PATH").map_or("", String::as_str))?
    };
    Ok(Program {
        path: absolute(path),
        arg0: arg0.clone(),
        args: args.iter().map(OsString::from).collect(),
        dir: plan.working_dir.clone(),
    })
}

/// What the system said when the file, which `resolve` had found, was started.
pub(super) fn explain(program: &Program, error: io::Error) -> StartError {
    let (name, resolved) = (program.arg0.clone(), program.path.clone());
    match error.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
        Some(rustix::io::Errno::NOENT) => match interpreter_of(&resolved) {
            Some(interpreter) => StartError::NoInterpreter { program: name, resolved, interpreter },
            None => StartError::NotFound { program: name, resolved },
        },
        Some(rustix::io::Errno::ACCESS) => StartError::NotExecutable { program: name, resolved },
        Some(rustix::io::Errno::NOEXEC) => StartError::Format { program: name, resolved },
        Some(_) | None => StartError::Spawn { program: name, source: error },
    }
}

/// The system takes its strings up to the first zero byte, and a variable up to the first `=`.
fn check_text(plan: &ContainerPlan, env: &BTreeMap<String, String>) -> Result<(), StartError> {
    let invalid = |what, value: &str, found| Err(StartError::Invalid { what, value: value.into(), found });
    if let Some(arg) = plan.command.iter().chain(&plan.args).find(|a| a.contains('\0')) {
        return invalid("argument", arg, "it holds a zero byte");
    }
    for (name, value) in env {
        if name.is_empty() || name.contains(['=', '\0']) {
            return invalid("variable name", name, "it is empty or holds `=` or a zero byte");
        }
        if value.contains('\0') {
            // The value may be a secret: the name says enough.
            return invalid("variable", name, "its value holds a zero byte");
        }
    }
    Ok(())
}

fn check_dir(dir: &Path) -> Result<(), StartError> {
    let wrong = |found| Err(StartError::WorkingDir { dir: dir.into(), found });
    match std::fs::metadata(dir) {
        Ok(found) if !found.is_dir() => wrong("not a directory"),
        Ok(_) if rustix::fs::access(dir, Access::EXEC_OK).is_err() => wrong("permission denied"),
        Ok(_) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => wrong("permission denied"),
        Err(_) => wrong("no such file or directory"),
    }
}

fn check_file(program: &str, path: PathBuf) -> Result<PathBuf, StartError> {
    match std::fs::metadata(&path) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Err(StartError::NotExecutable { program: program.into(), resolved: path })
        }
        Err(_) => Err(StartError::NotFound { program: program.into(), resolved: path }),
        Ok(found) if found.is_file() && is_executable(&path) => Ok(path),
        Ok(_) => Err(StartError::NotExecutable { program: program.into(), resolved: path }),
    }
}

/// As `execvp` searches: a file that may not be executed is passed over, and named only
/// where no other is found.
fn search(program: &str, base: &Path, path: &str) -> Result<PathBuf, StartError> {
    let mut refused = None;
    for dir in path.split(':').filter(|_| !path.is_empty()) {
        // An empty entry is the working directory, by joining nothing to it.
        match check_file(program, base.join(dir).join(program)) {
            Ok(found) => return Ok(found),
            Err(StartError::NotExecutable { resolved, .. }) if resolved.is_file() => {
                refused.get_or_insert(resolved);
            }
            Err(_) => {}
        }
    }
    Err(match refused {
        Some(resolved) => StartError::NotExecutable { program: program.into(), resolved },
        None => StartError::NotInPath { program: program.into(), path: path.into() },
    })
}

fn is_executable(path: &Path) -> bool {
    rustix::fs::access(path, Access::EXEC_OK).is_ok()
}

/// The child changes its directory before it executes the file.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// The program that a script's first line names.
fn interpreter_of(path: &Path) -> Option<String> {
    // Linux reads 256 bytes of the line (`BINPRM_BUF_SIZE`).
    let mut start = Vec::with_capacity(256);
    File::open(path).ok()?.take(256).read_to_end(&mut start).ok()?;
    let line = start.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let text = String::from_utf8_lossy(line);
    text.split_ascii_whitespace().next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn file(self, name: &str, mode: u32, text: &str) -> Self {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            self
        }

        fn resolve(&self, program: &str, path: &str) -> Result<PathBuf, StartError> {
            let working_dir = Some(self.0.path().into());
            let plan = ContainerPlan { working_dir, ..ContainerPlan::new("c", &[program]) };
            let env = BTreeMap::from([("PATH".to_owned(), path.to_owned())]);
            resolve(&plan, &env).map(|p| p.path)
        }
    }

    fn dir() -> Dir {
        Dir(tempfile::tempdir().unwrap())
            .file("bin/run", 0o755, "#!/bin/sh\n")
            .file("etc/run", 0o644, "")
            .file("etc/only", 0o644, "")
    }

    #[test]
    fn a_bare_name_is_looked_up_in_path() {
        let dir = dir();
        let root = dir.0.path();
        let path = |names: [&str; 2]| names.map(|n| format!("{}/{n}", root.display())).join(":");
        let check = |program: &str, path: &str, wanted: &str| {
            let got = dir.resolve(program, path).unwrap();
            assert_eq!(got.canonicalize().unwrap(), root.join(wanted).canonicalize().unwrap());
        };
        check("run", &path(["none", "bin"]), "bin/run");
        check("run", &path(["etc", "bin"]), "bin/run");
        check("run", "bin", "bin/run");
        let fail = |program: &str, path: &str| dir.resolve(program, path).unwrap_err();
        let not_found = fail("foo", "/a:/b");
        assert_eq!(
            not_found.text(),
            "exec: \"foo\": executable file not found in $PATH\n\
             hint: looked in /a:/b; install `foo`, give its full path, or set `PATH` in `env`"
        );
        assert_eq!(not_found.reason(), "RunContainerError");
        assert!(fail("run", "").text().contains("no `PATH`"));
        let refused = fail("only", &path(["etc", "bin"])).text();
        assert!(refused.starts_with("exec: \"only\": permission denied\nhint: chmod +x "), "{refused}");
    }

    #[test]
    fn a_path_counts_from_the_working_directory() {
        let dir = dir();
        assert!(dir.resolve("./bin/run", "").is_ok());
        let check = |program: &str, wanted: &str| {
            let text = dir.resolve(program, "").unwrap_err().text();
            assert!(text.contains(wanted), "{text}");
        };
        check("./run", "is the program built?");
        check("bin/none", "no such file or directory");
        check("/none/at/all", "stat /none/at/all: no such file or directory");
        check("etc/run", "permission denied\nhint: chmod +x");
        check("./bin", "is a directory");
    }

    #[test]
    fn what_cannot_be_passed_to_a_process_is_refused() {
        let check = |command: &[&str], name: &str, wanted: &str| {
            let env = BTreeMap::from([(name.to_owned(), "x\0".to_owned())]);
            let error = resolve(&ContainerPlan::new("c", command), &env).unwrap_err();
            assert_eq!(error.reason(), "CreateContainerConfigError");
            assert!(error.to_string().contains(wanted), "{error}");
        };
        check(&[], "A", "container `c` has no command");
        check(&[""], "A", "container `c` has no command");
        check(&["a\0"], "A", "argument");
        check(&["a"], "A=B", "variable name");
        check(&["a"], "A", "its value holds a zero byte");
    }

    #[test]
    fn the_first_line_names_the_interpreter() {
        let dir = dir().file("s", 0o755, "#! /usr/bin/env python\nx").file("t", 0o755, "\x7fELF");
        let check = |name: &str| interpreter_of(&dir.0.path().join(name));
        assert_eq!(check("s").as_deref(), Some("/usr/bin/env"));
        assert_eq!(check("t"), None);
    }
}
