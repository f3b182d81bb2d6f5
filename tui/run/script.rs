//! Keys from a file in the place of a keyboard, and the last screen as text: for tests without a terminal.
//!
//! ```text
//! # one step a line
//! wait front          until the screen has this text, for 10 s
//! press enter         a key by its name, several with blanks between
//! type pr-421         characters as they are
//! size 80x24
//! ```

use std::fmt::Write;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, anyhow, bail};
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Size;
use tokio::time::{Instant, timeout_at};

use super::{Settings, TICK, session::Session};
use crate::draw;
use crate::event::{Action, Event};
use crate::keys::Key;

/// How long a text is waited for: a machine that is very busy, and no longer.
const WAIT: Duration = Duration::from_secs(10);

/// A script as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The line of each step, for messages, and the step.
    steps: Vec<(usize, Step)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Press(Vec<Key>),
    Type(String),
    Wait(String),
    Size(u16, u16),
}

/// Runs a script on a screen of a size, and gives the last screen as text.
///
/// # Errors
/// When a text does not come.
pub async fn run_script(settings: Settings, script: &Script, (width, height): (u16, u16)) -> Result<String> {
    let mut session = Session::start(settings, SystemTime::now());
    let mut screen = Screen::new(width, height)?;
    session.apply(Event::Size(width, height));
    for (line, step) in &script.steps {
        let keys = match step {
            Step::Press(keys) => keys.clone(),
            Step::Type(text) => text.chars().map(Key::Char).collect(),
            Step::Wait(text) => {
                wait(&mut session, &mut screen, text).await.with_context(|| format!("line {line}"))?;
                continue;
            }
            Step::Size(width, height) => {
                screen = Screen::new(*width, *height)?;
                session.apply(Event::Size(*width, *height));
                continue;
            }
        };
        for key in keys {
            if session.apply(Event::Key(key)).contains(&Action::Quit) {
                return screen.shot(&mut session);
            }
        }
    }
    screen.shot(&mut session)
}

async fn wait(session: &mut Session, screen: &mut Screen, text: &str) -> Result<()> {
    let deadline = Instant::now() + WAIT;
    // Figures change with time alone, and the server is asked for them each second.
    let mut tick = Instant::now();
    loop {
        if Instant::now() >= tick {
            session.apply(Event::Time(SystemTime::now()));
            tick = Instant::now() + TICK;
        }
        let shot = screen.shot(session)?;
        if shot.contains(text) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("`{text}` did not come within {} s; the screen was:\n{shot}", WAIT.as_secs());
        }
        // Whether it was news or time is all the same.
        let _elapsed = timeout_at(deadline.min(tick), session.listen()).await;
    }
}

/// A screen in memory.
struct Screen(ratatui::Terminal<TestBackend>);

// === impl Screen ===

impl Screen {
    fn new(width: u16, height: u16) -> Result<Self> {
        let terminal = ratatui::Terminal::new(TestBackend::new(width, height));
        terminal.map(Self).map_err(|error| anyhow!("no screen of {width}x{height}: {error}"))
    }

    fn shot(&mut self, session: &mut Session) -> Result<String> {
        while session.state.is_filtering() {
            session.filter_on();
        }
        self.0.draw(|frame| draw::draw(&session.state, frame)).map_err(|error| anyhow!("{error}"))?;
        Ok(text(self.0.backend().buffer()))
    }
}

/// The cells as lines, without blanks at their ends.
pub(crate) fn text(buffer: &Buffer) -> String {
    use unicode_width::UnicodeWidthStr;
    let Size { width, height } = buffer.area.as_size();
    let mut text = String::new();
    for y in 0..height {
        let mut line = String::new();
        let mut x = 0;
        while x < width {
            let symbol = buffer[(buffer.area.x + x, buffer.area.y + y)].symbol();
            line.push_str(symbol);
            // What a wide character covers is no character of its own.
            x += u16::try_from(symbol.width()).unwrap_or(1).max(1);
        }
        writeln!(text, "{}", line.trim_end()).expect("writing to a string does not fail");
    }
    text
}

// === impl Script ===

impl FromStr for Script {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let lines = text.lines().enumerate().map(|(idx, line)| (idx + 1, line.trim()));
        let steps =
            lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#')).map(|(number, line)| {
                let step = step(line).map_err(|error| format!("line {number}: {error}"))?;
                Ok((number, step))
            });
        Ok(Self { steps: steps.collect::<Result<_, String>>()? })
    }
}

fn step(line: &str) -> Result<Step, String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    let rest = rest.trim();
    match word {
        "press" => Ok(Step::Press(rest.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)),
        "type" => Ok(Step::Type(rest.to_owned())),
        "wait" if !rest.is_empty() => Ok(Step::Wait(rest.to_owned())),
        "size" => size(rest).map(|(width, height)| Step::Size(width, height)),
        other => Err(format!("`{other}` is no step; want press, type, wait or size")),
    }
}

/// `120x40`.
///
/// # Errors
/// When the text is none, or has more cells than a screen can have.
pub fn size(text: &str) -> Result<(u16, u16), String> {
    let parsed =
        text.split_once('x').and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    // ratatui counts cells in a `u16`.
    parsed
        .filter(|(width, height)| u32::from(*width) * u32::from(*height) <= u32::from(u16::MAX))
        .ok_or_else(|| format!("`{text}` is no size such as 120x40"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_read_line_by_line() {
        let script: Script = "# look\nwait front end\n\npress j enter\ntype a b\nsize 80x24".parse().unwrap();
        let expected = vec![
            (2, Step::Wait("front end".to_owned())),
            (4, Step::Press(vec![Key::Char('j'), Key::Enter])),
            (5, Step::Type("a b".to_owned())),
            (6, Step::Size(80, 24)),
        ];
        assert_eq!(script.steps, expected);
        let wrong = |text: &str| text.parse::<Script>().unwrap_err();
        assert_eq!(wrong("press j\npress bogus"), "line 2: `bogus` is no key");
        assert_eq!(wrong("dance"), "line 1: `dance` is no step; want press, type, wait or size");
        assert_eq!(size("70000x2"), Err("`70000x2` is no size such as 120x40".to_owned()));
        assert_eq!(size("9999x9999"), Err("`9999x9999` is no size such as 120x40".to_owned()));
    }
}
