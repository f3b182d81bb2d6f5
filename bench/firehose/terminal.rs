//! `spur ui` on a pseudo terminal: keys in, and what it draws out.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Microseconds of a clock tick of `/proc/<pid>/stat` (100 a second, `USER_HZ`, proc(5)).
const TICK: Duration = Duration::from_millis(10);

/// A terminal, and the interface on it.
pub(crate) struct Terminal {
    child: Child,
    keys: Box<dyn Write>,
    drawn: Arc<Mutex<Drawn>>,
    /// Its files are here.
    _home: tempfile::TempDir,
}

#[derive(Default)]
struct Drawn {
    n_bytes: usize,
    /// What came since somebody began to look.
    recent: Vec<u8>,
}

// === impl Terminal ===

impl Terminal {
    pub(crate) fn open(url: &str, (width, height): (u16, u16)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let (terminal, program) = pty_process::blocking::open().unwrap();
        terminal.resize(pty_process::Size::new(height, width)).unwrap();
        // Another build of it may be measured than the bench's own.
        let binary = std::env::var("FIREHOSE_SPUR").unwrap_or_else(|_| env!("CARGO_BIN_EXE_spur").to_owned());
        let command = pty_process::blocking::Command::new(binary)
            .args(["ui", "--server", url])
            .env_clear()
            .env("HOME", home.path())
            .env("TERM", "xterm-256color")
            .env("LANG", "C.UTF-8");
        let child = command.spawn(program).unwrap();
        let drawn: Arc<Mutex<Drawn>> = Arc::default();
        let own = terminal.as_fd().try_clone_to_owned().unwrap();
        let (mut output, keys) = (std::fs::File::from(own), Box::new(terminal));
        let shared = drawn.clone();
        std::thread::spawn(move || {
            let mut chunk = [0; 64 << 10];
            // An error is the end of the terminal.
            while let Ok(n) = output.read(&mut chunk)
                && n > 0
            {
                let mut drawn = shared.lock().unwrap();
                drawn.n_bytes += n;
                drawn.recent.extend_from_slice(&chunk[..n]);
            }
        });
        Self { child, keys, drawn, _home: home }
    }

    /// Waits until one of these texts has been drawn since the last look. Several: where a letter is
    /// as it was, it is not drawn again, and the text is not in one piece.
    pub(crate) fn until(&mut self, texts: &[&[u8]], within: Duration) -> Option<()> {
        let end = Instant::now() + within;
        loop {
            let mut drawn = self.drawn.lock().unwrap();
            let has = |text: &&[u8]| drawn.recent.windows(text.len()).any(|at| at == *text);
            if texts.iter().any(has) {
                drawn.recent.clear();
                return Some(());
            }
            drop(drawn);
            if Instant::now() > end {
                return None;
            }
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Opens the help, and says how long that took to the screen; closes it again.
    pub(crate) fn help(&mut self) -> Duration {
        self.drawn.lock().unwrap().recent.clear();
        let pressed = Instant::now();
        self.keys.write_all(b"?").unwrap();
        self.until(
            &[b"fallback", b"the trace last", b"who calls", b"sandboxes", b"weights"],
            Duration::from_secs(5),
        )
        .expect("the help is drawn");
        let took = pressed.elapsed();
        self.keys.write_all(b"\x1b").unwrap();
        // An escape alone is one once nothing follows it, on a busy machine after a while.
        std::thread::sleep(Duration::from_millis(400));
        took
    }

    /// The time it took of the processor so far.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u32 = fields[11].parse::<u32>().unwrap() + fields[12].parse::<u32>().unwrap();
        TICK * ticks
    }

    pub(crate) fn rss_mib(&self) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
    }

    pub(crate) fn n_bytes(&self) -> usize {
        self.drawn.lock().unwrap().n_bytes
    }

    pub(crate) fn close(mut self) {
        self.keys.write_all(b"q").unwrap();
        let _ = self.child.wait();
    }
}
