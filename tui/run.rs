//! The loop: events in, frames and actions out. Everything that waits or writes is here or below.

mod api;
mod export;
mod feeds;
mod hangup;
mod input;
mod script;
mod session;
mod signals;
mod terminal;

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

#[cfg(test)]
pub(crate) use script::text;
pub use script::{Script, run_script, size};

use crate::event::{Action, Event};
use crate::keymap::Keymap;
use crate::keys::Key;
use crate::state::ThemeName;
use input::Input;
use session::Session;
use signals::{Signal, Signals};
use terminal::Terminal;

/// At most so often is data drawn: 15 frames a second look live, and cost
/// 1 % of a core and 86 KB/s over SSH at 200x60. Keys are drawn at once.
const FRAME: Duration = Duration::from_millis(66);

/// How often figures and ages are looked at.
const TICK: Duration = Duration::from_secs(1);

/// Which server, and how it is to look.
#[derive(Clone)]
pub struct Settings {
    /// A client of the server.
    pub client: kube::Client,
    /// The server's address, to be shown.
    pub url: String,
    /// The colours to begin with; with [`ThemeName::Mono`] there are never any.
    pub theme: ThemeName,
    /// Whether only ASCII is drawn, for terminals that know nothing else.
    pub is_ascii: bool,
    /// Which keys mean what.
    pub keymap: Keymap,
    /// The file with the user's filters, one a line; `None`: they are not kept.
    pub saved_filters: Option<PathBuf>,
    /// What panics at the next key, for tests of how the terminal is left then.
    pub panic_in: Option<PanicIn>,
}

/// A part of the interface that can be made to panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PanicIn {
    /// The loop, in the middle of a frame.
    Frame,
    /// A task beside it.
    Task,
}

/// Why the interface ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The user wanted it.
    ByUser,
    /// Ctrl-C on the keyboard.
    ByCtrlC,
    /// SIGINT from somewhere else than the keyboard.
    ByInterrupt,
    /// SIGTERM, or the terminal went away.
    ByTermination,
}

/// Opens the interface on the terminal that stdin and stdout are, until it ends.
/// However it ends, the terminal is as it was before.
///
/// # Errors
/// When the terminal cannot be used.
pub async fn open(settings: Settings) -> Result<Ended> {
    let mut signals = Signals::catch().context("failed to catch signals")?;
    hangup::watch().context("failed to start a thread")?;
    let mut terminal = Terminal::enter(settings.theme).context("failed to take the terminal")?;
    let ended = run(settings, &mut signals, &mut terminal).await;
    terminal.leave();
    ended
}

async fn run(settings: Settings, signals: &mut Signals, terminal: &mut Terminal) -> Result<Ended> {
    let mut session = Session::start(settings, SystemTime::now());
    let (width, height) = terminal.size()?;
    session.apply(Event::Size(width, height));
    let mut input = Input::start();
    let mut clock = interval(TICK);
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut last_frame = Instant::now();
    draw(&mut session, terminal, &mut last_frame)?;
    loop {
        let is_due = session.state.is_dirty();
        tokio::select! {
            // Keys first: under a flood of data they are answered all the same.
            biased;
            event = input.next() => {
                // The terminal is gone.
                let Some(event) = event else { return Ok(Ended::ByTermination) };
                let mut next = Some(event);
                while let Some(event) = next {
                    if let Some(ended) = key(event, &mut session, terminal)? {
                        return Ok(ended);
                    }
                    // All that was typed meanwhile, before anything is drawn.
                    next = input.waiting();
                }
                draw(&mut session, terminal, &mut last_frame)?;
            }
            signal = signals.next() => match signal {
                Signal::Interrupt => return Ok(Ended::ByInterrupt),
                Signal::Terminate => return Ok(Ended::ByTermination),
                Signal::Stop => suspend(&mut session, terminal)?,
                // Who stopped us by SIGSTOP may have used the terminal.
                Signal::Continue => resume(&mut session, terminal)?,
            },
            // Its message is on the screen by now, and frames would be drawn over it.
            () = terminal::panicked() => bail!("a part of the interface panicked; this is a bug"),
            () = sleep_until(last_frame + FRAME), if is_due => draw(&mut session, terminal, &mut last_frame)?,
            _ = clock.tick() => drop(session.apply(Event::Time(SystemTime::now()))),
            () = session.listen() => {}
            // Last: what is filtered waits for keys, frames and news.
            () = std::future::ready(()), if session.state.is_filtering() => session.filter_on(),
        }
    }
}

/// What a key or a change of size leads to.
fn key(
    event: crossterm::event::Event,
    session: &mut Session,
    terminal: &mut Terminal,
) -> Result<Option<Ended>> {
    let Some(event) = terminal::read(event, &session.state) else { return Ok(None) };
    if matches!(event, Event::Key(_)) {
        match session.panic_in {
            None => {}
            Some(PanicIn::Frame) => terminal.panic_in_frame(),
            Some(PanicIn::Task) => session.panic_in_task(),
        }
    }
    let is_ctrl_c = matches!(event, Event::Key(Key::Interrupt));
    for action in session.apply(event) {
        match action {
            Action::Quit if is_ctrl_c => return Ok(Some(Ended::ByCtrlC)),
            Action::Quit => return Ok(Some(Ended::ByUser)),
            Action::Suspend => suspend(session, terminal)?,
            Action::Copy(text) => terminal.copy(&text)?,
            Action::TakeMouse => terminal.take_mouse()?,
            Action::GiveMouse => terminal.give_mouse()?,
            Action::Watch(_)
            | Action::FollowLog(_)
            | Action::Subscribe(_)
            | Action::Ask(_)
            | Action::Put(_)
            | Action::Export(_)
            | Action::SaveFilters(_) => {}
        }
    }
    Ok(None)
}

/// Stops as a job of the shell; goes on when the shell says so.
fn suspend(session: &mut Session, terminal: &mut Terminal) -> Result<()> {
    terminal.leave();
    signals::stop_job().context("failed to stop")?;
    resume(session, terminal)
}

fn resume(session: &mut Session, terminal: &mut Terminal) -> Result<()> {
    terminal.enter_again().context("failed to take the terminal again")?;
    let (width, height) = terminal.size()?;
    session.apply(Event::Size(width, height));
    session.state.touch();
    Ok(())
}

fn draw(session: &mut Session, terminal: &mut Terminal, last_frame: &mut Instant) -> io::Result<()> {
    if session.state.take_dirty() {
        terminal.draw(&session.state)?;
        *last_frame = Instant::now();
    }
    Ok(())
}
