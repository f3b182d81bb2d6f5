//! The terminal: taken, drawn on, and given back however this ends.
//!
//! Raw mode and the alternate screen are undone by [`Terminal::leave`], when it
//! is dropped, and by the panic hook before the message is printed. The hook is
//! the process's, so a panic of any task restores the terminal; the loop is
//! told, since frames after it would be drawn over the message.

use std::io::{self, BufWriter, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture, KeyCode,
    KeyEventKind, KeyModifiers, MouseButton, MouseEventKind,
};
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use tokio::sync::Notify;

use crate::draw;
use crate::event::{Event, Turn};
use crate::keys::Key;
use crate::state::{State, ThemeName};

/// Bytes of a frame that are written at once: more than a frame of 300x100 has (9.8 KiB).
const FRAME_BYTES: usize = 16 << 10;

/// Told when a task or thread of this process panics while the terminal is ours.
static PANICKED: Notify = Notify::const_new();

/// Whether the terminal is ours now. There is one per process, and leaving it twice would put the
/// cursor back to where it was, over the message of a panic.
static IS_OURS: AtomicBool = AtomicBool::new(false);

type PanicHook = dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync;

/// See above.
pub(super) struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<BufWriter<Stdout>>>,
    /// Guards the hook that was there before, until it is put back.
    hook_before: Arc<Mutex<Option<Box<PanicHook>>>>,
    /// Whether the user wants the mouse to be ours.
    has_mouse: bool,
    /// Whether the next frame is to break off.
    panics_in_frame: bool,
}

/// Waits for a panic anywhere in the process.
pub(super) async fn panicked() {
    PANICKED.notified().await;
}

/// What we make of what a terminal says; `None`: nothing.
pub(super) fn read(event: crossterm::event::Event, state: &State) -> Option<Event> {
    match event {
        crossterm::event::Event::Key(key) if key.kind != KeyEventKind::Release => {
            read_key(key.code, key.modifiers).map(Event::Key)
        }
        crossterm::event::Event::Mouse(mouse) => match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                draw::hit(state, (mouse.column, mouse.row)).map(Event::Clicked)
            }
            MouseEventKind::ScrollUp => Some(Event::Turned(Turn::Up)),
            MouseEventKind::ScrollDown => Some(Event::Turned(Turn::Down)),
            _ => None,
        },
        crossterm::event::Event::Resize(width, height) => Some(Event::Size(width, height)),
        crossterm::event::Event::Paste(text) => Some(Event::Pasted(text)),
        _ => None,
    }
}

fn read_key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    if modifiers.contains(KeyModifiers::CONTROL) {
        return match code {
            KeyCode::Char('c') => Some(Key::Interrupt),
            KeyCode::Char('z') => Some(Key::Suspend),
            _ => None,
        };
    }
    match code {
        KeyCode::Char(character) => Some(Key::Char(character)),
        KeyCode::Enter => Some(Key::Enter),
        KeyCode::Esc => Some(Key::Esc),
        KeyCode::Tab => Some(Key::Tab),
        KeyCode::Backspace => Some(Key::Backspace),
        KeyCode::Up => Some(Key::Up),
        KeyCode::Down => Some(Key::Down),
        KeyCode::Left if modifiers.contains(KeyModifiers::SHIFT) => Some(Key::ShiftLeft),
        KeyCode::Right if modifiers.contains(KeyModifiers::SHIFT) => Some(Key::ShiftRight),
        KeyCode::Left => Some(Key::Left),
        KeyCode::Right => Some(Key::Right),
        KeyCode::PageUp => Some(Key::PageUp),
        KeyCode::PageDown => Some(Key::PageDown),
        KeyCode::Home => Some(Key::Home),
        KeyCode::End => Some(Key::End),
        _ => None,
    }
}

// === impl Terminal ===

impl Terminal {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When there is none, or it cannot be put into raw mode.
    pub(super) fn enter(theme: ThemeName) -> io::Result<Self> {
        if theme == ThemeName::Mono {
            // crossterm leaves colours out by itself under NO_COLOR, and writes for them a
            // reset that takes the selection away (crossterm-rs/crossterm#1069, not in 0.29).
            // The theme has no colours, so nothing has to be left out.
            crossterm::style::force_color_output(true);
        }
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, io::stdout()));
        let mut terminal = Self {
            inner: ratatui::Terminal::new(backend)?,
            hook_before: Arc::new(Mutex::new(None)),
            has_mouse: false,
            panics_in_frame: false,
        };
        terminal.set_hook();
        terminal.enter_again()?;
        Ok(terminal)
    }

    /// Takes it again, after a stop.
    pub(super) fn enter_again(&mut self) -> io::Result<()> {
        IS_OURS.store(true, Ordering::Release);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, cursor::Hide)?;
        if self.has_mouse {
            execute!(io::stdout(), EnableMouseCapture)?;
        }
        // All cells are written anew. `clear` would ask the terminal where its cursor is, and
        // the answer would go to whoever waits for keys.
        let size = self.inner.size()?;
        self.inner.resize(Rect::new(0, 0, size.width, size.height))
    }

    /// Gives it back as it was.
    pub(super) fn leave(&mut self) {
        restore();
    }

    pub(super) fn size(&self) -> io::Result<(u16, u16)> {
        let size = self.inner.size()?;
        Ok((size.width, size.height))
    }

    /// Draws a frame; the terminal shows it whole, where it knows how to.
    pub(super) fn draw(&mut self, state: &State) -> io::Result<()> {
        if !IS_OURS.load(Ordering::Acquire) {
            // After a panic elsewhere, until the loop hears of it.
            return Ok(());
        }
        queue!(self.inner.backend_mut(), BeginSynchronizedUpdate)?;
        let panics = self.panics_in_frame;
        self.inner.draw(|frame| {
            draw::draw(state, frame);
            assert!(!panics, "a frame was asked to panic");
        })?;
        queue!(self.inner.backend_mut(), EndSynchronizedUpdate)?;
        Write::flush(self.inner.backend_mut())
    }

    /// Panics in the next frame.
    pub(super) fn panic_in_frame(&mut self) {
        self.panics_in_frame = true;
    }

    /// Puts a text on the clipboard of the user's own machine (OSC 52), where the terminal allows it.
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }

    /// Takes the mouse, with which text then cannot be selected.
    pub(super) fn take_mouse(&mut self) -> io::Result<()> {
        self.has_mouse = true;
        execute!(io::stdout(), EnableMouseCapture)
    }

    /// Gives the mouse back.
    pub(super) fn give_mouse(&mut self) -> io::Result<()> {
        self.has_mouse = false;
        execute!(io::stdout(), DisableMouseCapture)
    }

    fn set_hook(&self) {
        *self.hook_before.lock().expect("nobody panics while it is held") = Some(panic::take_hook());
        let before = self.hook_before.clone();
        panic::set_hook(Box::new(move |info| {
            restore();
            if let Ok(before) = before.lock()
                && let Some(before) = &*before
            {
                before(info);
            }
            PANICKED.notify_one();
        }));
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.leave();
        if std::thread::panicking() {
            // A frame that broke off has its beginning in the buffer, which is written now, behind
            // all that was undone: until its end a terminal would hold the screen back.
            let _ = execute!(self.inner.backend_mut(), EndSynchronizedUpdate);
            // Hooks cannot be changed while a panic is under way; the process ends then anyway.
            return;
        }
        if let Ok(mut before) = self.hook_before.lock()
            && let Some(before) = before.take()
        {
            panic::set_hook(before);
        }
    }
}

/// Undoes everything that was done to the terminal, once. Nobody can be told where that fails.
pub(super) fn restore() {
    if !IS_OURS.swap(false, Ordering::AcqRel) {
        return;
    }
    let _ = execute!(
        io::stdout(),
        EndSynchronizedUpdate,
        // Where it was not taken this does nothing.
        DisableMouseCapture,
        DisableBracketedPaste,
        LeaveAlternateScreen,
        cursor::Show
    );
    let _ = disable_raw_mode();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_with_ctrl_are_left_to_others() {
        assert_eq!(read_key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(Key::Interrupt));
        assert_eq!(read_key(KeyCode::Char('b'), KeyModifiers::CONTROL), None);
        assert_eq!(read_key(KeyCode::Char('G'), KeyModifiers::SHIFT), Some(Key::Char('G')));
    }
}
