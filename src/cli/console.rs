//! Data on stdout, talk on stderr, colour only on a terminal.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use crate::environment::Environment;

/// Where output goes. Data that cannot be written ends the command; talk that
/// cannot be written is lost.
pub(crate) struct Console {
    data: Box<dyn Write + Send>,
    talk: Box<dyn Write + Send>,
    data_paint: Paint,
    talk_paint: Paint,
    is_data_terminal: bool,
}

/// Colours, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    /// ANSI colours.
    Colour,
    /// Text only.
    Plain,
}

// === impl Console ===

impl Console {
    /// The process's own stdout and stderr.
    pub(crate) fn new(environment: &Environment) -> Self {
        let paint = |is_terminal: bool| {
            if is_terminal && environment.wants_colour { Paint::Colour } else { Paint::Plain }
        };
        Self {
            data: Box::new(io::stdout()),
            talk: Box::new(io::stderr()),
            data_paint: paint(environment.is_stdout_terminal),
            talk_paint: paint(environment.is_stderr_terminal),
            is_data_terminal: environment.is_stdout_terminal,
        }
    }

    /// Everything on stderr, where stdout is somebody else's.
    pub(crate) fn on_stderr(environment: &Environment) -> Self {
        let Self { talk, talk_paint, .. } = Self::new(environment);
        let is_data_terminal = environment.is_stderr_terminal;
        Self { data: Box::new(io::stderr()), talk, data_paint: talk_paint, talk_paint, is_data_terminal }
    }

    /// Writes a line of data.
    ///
    /// # Errors
    /// When stdout cannot be written; a reader that went away is `BrokenPipe`.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        self.data.write_all(line.as_bytes())?;
        self.data.write_all(b"\n")?;
        self.data.flush()
    }

    /// Writes data as it is.
    ///
    /// # Errors
    /// When stdout cannot be written.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.data.write_all(bytes)?;
        self.data.flush()
    }

    /// Says a line to the user.
    pub(crate) fn talk(&mut self, line: &str) {
        // Nobody is left to be told when stderr is closed.
        let _ = writeln!(self.talk, "{line}");
    }

    /// Says that a step is done, and how long after `since`.
    pub(crate) fn done(&mut self, since: Instant, what: &str) {
        let time = self.talk_paint.dim(format!("{:>5.1} s", since.elapsed().as_secs_f64()));
        let mark = self.talk_paint.green("✓");
        self.talk(&format!("{time}  {mark} {what}"));
    }

    /// How data is painted.
    pub(crate) fn data_paint(&self) -> Paint {
        self.data_paint
    }

    /// How talk is painted.
    pub(crate) fn talk_paint(&self) -> Paint {
        self.talk_paint
    }

    /// Whether a person reads the data as it is written, on a terminal that obeys escapes.
    pub(crate) fn is_data_terminal(&self) -> bool {
        self.is_data_terminal
    }
}

// === impl Paint ===

impl Paint {
    pub(crate) fn bold(self, text: impl Display) -> String {
        self.with("1", text)
    }

    pub(crate) fn dim(self, text: impl Display) -> String {
        self.with("2", text)
    }

    pub(crate) fn red(self, text: impl Display) -> String {
        self.with("1;31", text)
    }

    pub(crate) fn green(self, text: impl Display) -> String {
        self.with("32", text)
    }

    pub(crate) fn yellow(self, text: impl Display) -> String {
        self.with("33", text)
    }

    /// What a sandbox changed; the one colour with a meaning of its own.
    pub(crate) fn fork(self, text: impl Display) -> String {
        self.with("1;35", text)
    }

    fn with(self, code: &str, text: impl Display) -> String {
        match self {
            Self::Colour => format!("\x1b[{code}m{text}\x1b[0m"),
            Self::Plain => text.to_string(),
        }
    }
}

#[cfg(test)]
mod captured {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::{Console, Paint};

    /// What a captured console was given.
    #[derive(Clone, Default)]
    pub(crate) struct Screen {
        data: Pane,
        talk: Pane,
    }

    /// Guards the bytes written so far.
    #[derive(Clone, Default)]
    struct Pane(Arc<Mutex<Vec<u8>>>);

    impl Console {
        /// A console for tests: no terminal, no colour.
        pub(crate) fn captured() -> (Self, Screen) {
            let screen = Screen::default();
            let console = Self {
                data: Box::new(screen.data.clone()),
                talk: Box::new(screen.talk.clone()),
                data_paint: Paint::Plain,
                talk_paint: Paint::Plain,
                is_data_terminal: false,
            };
            (console, screen)
        }
    }

    impl Screen {
        pub(crate) fn data(&self) -> String {
            self.data.text()
        }

        pub(crate) fn talk(&self) -> String {
            self.talk.text()
        }
    }

    impl Pane {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Pane {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
