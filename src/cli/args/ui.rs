//! `spur ui`.

use std::path::PathBuf;

use clap::ValueEnum;

const EXAMPLES: &str = "\
Inside, `?` shows the keys of the screen, and `q` quits; the server goes on.

Examples:
  spur ui                         what the Spur of `spur up` does, live
  spur ui --plain                 one line per finished request
  spur ui --script keys.txt --size 120x40 --dump screen.txt
                                  keys from a file, and the last screen as text

A script has one step a line: `wait TEXT`, `press KEY …`, `type TEXT`, `size 80x24`.";

/// `spur ui …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct UiArgs {
    /// Print one line per finished request, with no cursor moves and no frames
    #[arg(long, conflicts_with_all = ["script", "theme"])]
    pub plain: bool,
    /// Colours to begin with; under NO_COLOR it is mono [default: ansi]
    #[arg(long, value_name = "THEME")]
    pub theme: Option<Theme>,
    /// Draw ASCII alone; by itself where the locale is not UTF-8
    #[arg(long, conflicts_with = "plain")]
    pub ascii: bool,
    /// Bind keys otherwise: lines of `ACTION = KEY …`; inside, `:map` shows all
    #[arg(long, value_name = "FILE", conflicts_with = "plain")]
    pub keymap: Option<PathBuf>,
    /// Take the keys from a file and need no terminal
    #[arg(long, value_name = "FILE")]
    pub script: Option<PathBuf>,
    /// Columns and rows of the screen of a script
    #[arg(long, value_name = "WxH", default_value = "120x40", value_parser = spur_tui::size, requires = "script")]
    pub size: (u16, u16),
    /// Write the last screen of the script here instead of to stdout
    #[arg(long, value_name = "FILE", requires = "script")]
    pub dump: Option<PathBuf>,
    /// It was opened by `spur up`, which goes on after `q` and ends with Ctrl-C
    #[arg(long, hide = true)]
    pub of_up: bool,
    /// Panic there at the next key, which only builds for tests can be asked to
    #[cfg_attr(debug_assertions, arg(long, hide = true, value_name = "PART"))]
    #[cfg_attr(not(debug_assertions), arg(skip))]
    pub panic_in: Option<Part>,
}

/// `--panic-in`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// The loop, in the middle of a frame.
    Frame,
    /// A task beside it.
    Task,
}

/// `--theme`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Theme {
    /// The terminal's own 16 colours.
    Ansi,
    /// The same, for light backgrounds.
    Light,
    /// No colours.
    Mono,
}
