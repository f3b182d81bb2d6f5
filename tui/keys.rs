//! Which key means what, on which screen, and how the help says it.
//!
//! One table, from which the help and the palette are made; a test holds that
//! no key means two things on one screen. Nothing needs Ctrl: multiplexers and
//! shells have taken those (tmux C-b, zellij C-p, flow control C-s).

use std::str::FromStr;

/// A key, as far as we tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Char(char),
    Enter,
    Esc,
    Tab,
    Backspace,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C, which quits from everywhere.
    Interrupt,
    /// Ctrl-Z, which a terminal in raw mode sends as a key.
    Suspend,
}

/// The screens, by the digit that opens them; 5 and 7 are left for splits and rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Screen {
    Live,
    Trace,
    Topology,
    Sandboxes,
    Logs,
    Events,
}

/// What the user wants, whichever way it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Meaning {
    Show(Screen),
    Up,
    Down,
    PageUp,
    PageDown,
    Top,
    Bottom,
    Left,
    Right,
    Open,
    Back,
    NextPane,
    Why,
    Previous,
    Next,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    Filter,
    ClearFilter,
    Pause,
    Copy,
    CopyWithKey,
    Requests,
    Theme,
    Help,
    Palette,
    Suspend,
    Quit,
}

/// A row of the table.
pub(crate) struct Binding {
    /// Any of these.
    pub(crate) keys: &'static [Key],
    /// On these screens; on all where there are none.
    pub(crate) on: &'static [Screen],
    pub(crate) meaning: Meaning,
    /// What the help says, as an order.
    pub(crate) help: &'static str,
}

const fn on(on: &'static [Screen], keys: &'static [Key], meaning: Meaning, help: &'static str) -> Binding {
    Binding { keys, on, meaning, help }
}

const fn everywhere(keys: &'static [Key], meaning: Meaning, help: &'static str) -> Binding {
    Binding { keys, on: &[], meaning, help }
}

use Key::Char;
use Screen::{Events, Live, Logs, Sandboxes, Topology, Trace};

/// Every binding.
pub(crate) const BINDINGS: &[Binding] = &[
    everywhere(&[Char('1')], Meaning::Show(Live), "live requests"),
    everywhere(&[Char('2')], Meaning::Show(Trace), "the trace last opened"),
    everywhere(&[Char('3')], Meaning::Show(Topology), "who calls whom"),
    everywhere(&[Char('4')], Meaning::Show(Sandboxes), "sandboxes"),
    everywhere(&[Char('6')], Meaning::Show(Logs), "logs of pods"),
    everywhere(&[Char('8')], Meaning::Show(Events), "events"),
    on(&[Live, Topology, Sandboxes, Logs], &[Key::Enter], Meaning::Open, "open"),
    on(&[Live, Trace], &[Char('w')], Meaning::Why, "why it went there"),
    on(&[Trace, Logs], &[Key::Tab], Meaning::NextPane, "other pane"),
    on(&[Trace], &[Char('[')], Meaning::Previous, "previous request"),
    on(&[Trace], &[Char(']')], Meaning::Next, "next request"),
    on(&[Trace], &[Char('+')], Meaning::ZoomIn, "zoom in"),
    on(&[Trace], &[Char('-')], Meaning::ZoomOut, "zoom out"),
    on(&[Trace], &[Char('0')], Meaning::ZoomReset, "whole time"),
    on(&[Trace, Logs], &[Char('h'), Key::Left], Meaning::Left, "pan left"),
    on(&[Trace, Logs], &[Char('l'), Key::Right], Meaning::Right, "pan right"),
    on(&[Live, Trace], &[Char('y')], Meaning::Copy, "copy the trace id"),
    on(&[Sandboxes], &[Char('k')], Meaning::CopyWithKey, "copy a curl with the key"),
    on(&[Sandboxes], &[Char('f')], Meaning::Requests, "requests with the key"),
    everywhere(&[Char('/')], Meaning::Filter, "filter"),
    everywhere(&[Char('X')], Meaning::ClearFilter, "drop the filter"),
    everywhere(&[Char(' ')], Meaning::Pause, "pause, or go on"),
    everywhere(&[Char('G'), Key::End], Meaning::Bottom, "last, and follow"),
    everywhere(&[Char('g'), Key::Home], Meaning::Top, "first"),
    everywhere(&[Char('j'), Key::Down], Meaning::Down, "down"),
    // `k` moves up but where it has a meaning of its own.
    on(&[Live, Trace, Topology, Logs, Events], &[Char('k')], Meaning::Up, "up"),
    everywhere(&[Key::Up], Meaning::Up, "up"),
    everywhere(&[Key::PageDown], Meaning::PageDown, "page down"),
    everywhere(&[Key::PageUp], Meaning::PageUp, "page up"),
    everywhere(&[Key::Esc, Key::Backspace], Meaning::Back, "back"),
    everywhere(&[Char('T')], Meaning::Theme, "next theme"),
    everywhere(&[Char(':'), Char('P')], Meaning::Palette, "commands"),
    everywhere(&[Char('?')], Meaning::Help, "help"),
    everywhere(&[Key::Suspend], Meaning::Suspend, "stop; `fg` goes on"),
    everywhere(&[Char('q'), Key::Interrupt], Meaning::Quit, "quit; the server goes on"),
];

/// What a key means there.
pub(crate) fn meaning(key: Key, screen: Screen) -> Option<Meaning> {
    of(screen).find(|binding| binding.keys.contains(&key)).map(|binding| binding.meaning)
}

/// What can be pressed there.
pub(crate) fn of(screen: Screen) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.on.is_empty() || binding.on.contains(&screen))
}

// === impl Screen ===

impl Screen {
    pub(crate) const ALL: [Self; 6] = [Live, Trace, Topology, Sandboxes, Logs, Events];

    /// The digit and the name, as the first row has them.
    pub(crate) fn title(self) -> (char, &'static str) {
        match self {
            Live => ('1', "Live"),
            Trace => ('2', "Trace"),
            Topology => ('3', "Topo"),
            Sandboxes => ('4', "Sandboxes"),
            Logs => ('6', "Logs"),
            Events => ('8', "Events"),
        }
    }
}

// === impl Key ===

impl Key {
    /// As the help and scripts write it.
    pub(crate) fn name(self) -> String {
        match self {
            Char(' ') => "space".to_owned(),
            Char(character) => character.to_string(),
            named => NAMES.iter().find(|(_, key)| *key == named).map_or("?", |(name, _)| name).to_owned(),
        }
    }
}

const NAMES: &[(&str, Key)] = &[
    ("enter", Key::Enter),
    ("esc", Key::Esc),
    ("tab", Key::Tab),
    ("backspace", Key::Backspace),
    ("up", Key::Up),
    ("down", Key::Down),
    ("left", Key::Left),
    ("right", Key::Right),
    ("pageup", Key::PageUp),
    ("pagedown", Key::PageDown),
    ("home", Key::Home),
    ("end", Key::End),
    ("ctrl-c", Key::Interrupt),
    ("ctrl-z", Key::Suspend),
    ("space", Char(' ')),
];

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut characters = text.chars();
        if let (Some(character), None) = (characters.next(), characters.next()) {
            return Ok(Char(character));
        }
        let named = NAMES.iter().find(|(name, _)| *name == text);
        named.map(|(_, key)| *key).ok_or_else(|| format!("`{text}` is no key"))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn no_key_means_two_things_on_a_screen() {
        for screen in Screen::ALL {
            let mut seen: HashMap<Key, &str> = HashMap::new();
            for binding in of(screen) {
                for key in binding.keys {
                    let before = seen.insert(*key, binding.help);
                    assert_eq!(before, None, "{key:?} on {screen:?}");
                }
            }
        }
    }

    #[test]
    fn keys_are_read_as_they_are_named() {
        for binding in BINDINGS {
            for key in binding.keys {
                assert_eq!(key.name().parse(), Ok(*key));
            }
        }
        assert_eq!("bogus".parse::<Key>(), Err("`bogus` is no key".to_owned()));
    }
}
