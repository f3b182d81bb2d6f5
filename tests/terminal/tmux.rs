//! A terminal of a test's own: a tmux server with one window, in which a shell runs.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::harness::{Spur, until};
use crate::needs::Need;

/// What the shell prints when it waits, which nothing else prints.
const PROMPT: &str = "ready> ";

/// See above. It ends with this.
pub(crate) struct Terminal {
    home: TempDir,
}

/// Whether there is tmux.
pub(crate) fn need() -> Need {
    let absent = match Command::new("tmux").arg("-V").output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("`tmux -V` ended with {}", output.status)),
        Err(error) => Some(format!("`tmux` cannot be started: {error}")),
    };
    Need::new("tmux", absent)
}

// === impl Terminal ===

impl Terminal {
    /// A shell on a screen of a size; it knows a Spur by `KUBECONFIG`.
    pub(crate) async fn open(spur: &Spur, (width, height): (u16, u16)) -> Self {
        let terminal = Self { home: tempfile::Builder::new().prefix("spur-tmux-").tempdir().unwrap() };
        let size = [width.to_string(), height.to_string()];
        let kubeconfig = format!("KUBECONFIG={}", spur.kubeconfig());
        let prompt = format!("PS1={PROMPT}");
        let (width, height) = (size[0].as_str(), size[1].as_str());
        let shell =
            ["env", &kubeconfig, &prompt, "TERM=screen-256color", "bash", "--norc", "--noprofile", "-i"];
        let new = ["-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height];
        terminal.tmux(&[&new[..], &shell].concat());
        terminal.until("ready>").await;
        terminal
    }

    /// Types a command and presses enter.
    pub(crate) fn run(&self, command: &str) {
        self.tmux(&["send-keys", "-l", command]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Starts the interface, and waits until it is on the screen.
    pub(crate) async fn ui(&self, before: &str, flags: &str) {
        self.run(&format!("{before} {} ui {flags}; echo \"code $?\"", env!("CARGO_BIN_EXE_spur")));
        self.until("● live").await;
    }

    /// Presses keys, by the names that tmux has for them.
    pub(crate) fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    pub(crate) fn resize(&self, width: u16, height: u16) {
        self.tmux(&["resize-window", "-x", &width.to_string(), "-y", &height.to_string()]);
    }

    /// What is seen, as text.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// What is seen, with the escapes for colours.
    pub(crate) fn painted(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e"])
    }

    /// Writes all that programs send to the terminal from now on into a file.
    pub(crate) fn record(&self, name: &str) -> PathBuf {
        let path = self.home.path().join(name);
        self.tmux(&["pipe-pane", &format!("cat > {}", path.display())]);
        path
    }

    /// Whether a program has the screen for itself.
    pub(crate) fn is_alternate(&self) -> bool {
        self.tmux(&["display-message", "-p", "#{alternate_on}"]).trim() == "1"
    }

    /// Waits until a text is seen; what is seen then.
    #[track_caller]
    pub(crate) fn until(&self, text: &str) -> impl Future<Output = String> {
        let what = format!("`{text}` is on the screen");
        let text = text.to_owned();
        async move {
            until(&what, async || {
                let screen = self.screen();
                if screen.contains(&text) { Ok(screen) } else { Err(screen) }
            })
            .await
        }
    }

    /// Waits until a text is not seen any more; what is seen then.
    pub(crate) async fn until_gone(&self, text: &str) -> String {
        until(&format!("`{text}` is not on the screen"), async || {
            let screen = self.screen();
            if screen.contains(text) { Err(screen) } else { Ok(screen) }
        })
        .await
    }

    /// The id of the interface's process.
    pub(crate) async fn pid(&self) -> u32 {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]).trim().to_owned();
        until("the shell has a child", async || {
            let path = format!("/proc/{shell}/task/{shell}/children");
            let children = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
            let first = children.split_whitespace().next().ok_or("none")?;
            first.parse::<u32>().map_err(|error| error.to_string())
        })
        .await
    }

    /// What the terminal is set to: `stty -a`, in a file of its own.
    pub(crate) async fn settings(&self, name: &str) -> String {
        let path: PathBuf = self.home.path().join(name);
        self.run(&format!("clear; stty -a > {0}.tmp; mv {0}.tmp {0}", path.display()));
        until("the settings are written", async || std::fs::read_to_string(&path)).await
    }

    fn tmux(&self, words: &[&str]) -> String {
        let socket = self.home.path().join("socket");
        let output =
            Command::new("tmux").arg("-S").arg(socket).args(words).env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "tmux {words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The server of this socket and no other.
        let socket = self.home.path().join("socket");
        let _ended_already = Command::new("tmux").arg("-S").arg(socket).arg("kill-server").output();
    }
}
