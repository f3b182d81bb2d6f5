//! Which key means what, on which screen, and how the help says it.
//!
//! One table, from which the help and the palette are made; a test holds that
//! no key means two things on one screen. Nothing needs Ctrl: multiplexers and
//! shells have taken those (tmux C-b, zellij C-p, flow control C-s). What the
//! user binds otherwise is in `keymap`.

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
    ShiftLeft,
    ShiftRight,
    PageUp,
    PageDown,
    Home,
    End,
    /// Ctrl-C, which quits from everywhere.
    Interrupt,
    /// Ctrl-Z, which a terminal in raw mode sends as a key.
    Suspend,
}

/// The screens, most of them by the digit that opens them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Screen {
    Live,
    Trace,
    Topology,
    Sandboxes,
    Split,
    Logs,
    Rules,
    Events,
    /// Two traces side by side; opened from one of them.
    Diff,
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
    ZoomPane,
    Why,
    Reveal,
    Replay,
    Export,
    Bodies,
    LogsOfTrace,
    OnlyTrace,
    Previous,
    Next,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    Filter,
    ClearFilter,
    /// A term for what is selected, or against it.
    WithCell,
    WithoutCell,
    SavedFilters,
    Pause,
    Copy,
    CopyWithKey,
    Requests,
    Mark,
    Diff,
    NextDifference,
    PreviousDifference,
    Swap,
    Table,
    Highlight,
    Hide,
    Earlier,
    Later,
    Less,
    More,
    MuchLess,
    MuchMore,
    TypeWeight,
    NoWeight,
    AllWeight,
    Balance,
    Undo,
    Edit,
    Load,
    Recount,
    Theme,
    Mouse,
    Help,
    Keymap,
    Palette,
    Suspend,
    Quit,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Binding {
    /// The name by which a keymap binds it otherwise.
    pub(crate) id: &'static str,
    /// Any of these; none where it is in the palette only.
    pub(crate) keys: &'static [Key],
    /// On these screens; on all where there are none.
    pub(crate) on: &'static [Screen],
    pub(crate) meaning: Meaning,
    /// What the help says, as an order.
    pub(crate) help: &'static str,
}

const fn on(
    id: &'static str,
    on: &'static [Screen],
    keys: &'static [Key],
    meaning: Meaning,
    help: &'static str,
) -> Binding {
    Binding { id, keys, on, meaning, help }
}

const fn everywhere(id: &'static str, keys: &'static [Key], meaning: Meaning, help: &'static str) -> Binding {
    Binding { id, keys, on: &[], meaning, help }
}

use Key::Char;
use Screen::{Diff, Events, Live, Logs, Rules, Sandboxes, Split, Topology, Trace};

/// Every binding.
#[rustfmt::skip]
pub(crate) const BINDINGS: &[Binding] = &[
    everywhere("live", &[Char('1')], Meaning::Show(Live), "live requests"),
    everywhere("trace", &[Char('2')], Meaning::Show(Trace), "the trace last opened"),
    everywhere("topology", &[Char('3')], Meaning::Show(Topology), "who calls whom"),
    everywhere("sandboxes", &[Char('4')], Meaning::Show(Sandboxes), "sandboxes"),
    everywhere("split", &[Char('5')], Meaning::Show(Split), "weights, and what became of them"),
    everywhere("logs", &[Char('6')], Meaning::Show(Logs), "logs"),
    everywhere("rules", &[Char('7')], Meaning::Show(Rules), "where a request would go"),
    everywhere("events", &[Char('8')], Meaning::Show(Events), "events"),
    on("open", &[Live, Topology, Sandboxes, Logs, Diff], &[Key::Enter], Meaning::Open, "open"),
    on("apply", &[Split], &[Key::Enter], Meaning::Open, "apply the weights"),
    on("ask", &[Rules], &[Key::Enter], Meaning::Open, "ask where it would go"),
    on("why", &[Live, Trace], &[Char('w')], Meaning::Why, "why it went there"),
    on("pane", &[Trace, Logs, Rules], &[Key::Tab], Meaning::NextPane, "other pane"),
    on("zoom-pane", &[Trace], &[Char('z')], Meaning::ZoomPane, "the pane alone, or all"),
    on("reveal", &[Trace], &[Char('R')], Meaning::Reveal, "show secrets, or hide them"),
    on("logs-of-trace", &[Trace], &[Char('l')], Meaning::LogsOfTrace, "logs of this trace"),
    on("only-trace", &[Logs], &[Char('t')], Meaning::OnlyTrace, "lines of the selected trace, or all"),
    on("replay", &[Live, Trace], &[Char('r')], Meaning::Replay, "send it again, and compare the answers"),
    on("export", &[Live, Trace], &[Char('x')], Meaning::Export, "write what is shown into a file"),
    on("previous", &[Trace], &[Char('[')], Meaning::Previous, "previous request"),
    on("next", &[Trace], &[Char(']')], Meaning::Next, "next request"),
    on("zoom-in", &[Trace], &[Char('+')], Meaning::ZoomIn, "zoom in"),
    on("zoom-out", &[Trace], &[Char('-')], Meaning::ZoomOut, "zoom out"),
    on("zoom-reset", &[Trace], &[Char('0')], Meaning::ZoomReset, "whole time"),
    // `l` leads from a trace to its logs, so that letters pan logs alone.
    on("pan-left", &[Logs], &[Char('h'), Key::Left], Meaning::Left, "pan left"),
    on("pan-right", &[Logs], &[Char('l'), Key::Right], Meaning::Right, "pan right"),
    on("earlier-in-trace", &[Trace], &[Key::Left], Meaning::Left, "pan left"),
    on("later-in-trace", &[Trace], &[Key::Right], Meaning::Right, "pan right"),
    on("cell-left", &[Live], &[Char('h'), Key::Left], Meaning::Left, "cell to the left"),
    on("cell-right", &[Live], &[Char('l'), Key::Right], Meaning::Right, "cell to the right"),
    on("with", &[Live, Trace, Topology], &[Char('=')], Meaning::WithCell, "filter by what is selected"),
    on("without", &[Live, Trace, Topology], &[Char('!')], Meaning::WithoutCell, "filter it away"),
    on("mark", &[Live, Trace], &[Char('m')], Meaning::Mark, "mark for a comparison"),
    on("diff", &[Live, Trace], &[Char('d')], Meaning::Diff, "compare with the marked one, or the baseline"),
    on("next-difference", &[Diff], &[Char('n')], Meaning::NextDifference, "next difference"),
    on("previous-difference", &[Diff], &[Char('N')], Meaning::PreviousDifference, "previous difference"),
    on("bodies", &[Diff], &[Char('b')], Meaning::Bodies, "what is different about the answers"),
    on("swap", &[Diff], &[Char('s')], Meaning::Swap, "swap the sides"),
    on("copy", &[Live, Trace], &[Char('y')], Meaning::Copy, "copy: curl, httpie, url, body, trace id, key header, json"),
    on("copy-curl", &[Sandboxes], &[Char('k')], Meaning::CopyWithKey, "copy a curl with the key"),
    on("requests", &[Sandboxes], &[Char('f')], Meaning::Requests, "requests with the key"),
    on("table", &[Topology], &[Char('t')], Meaning::Table, "drawing or table"),
    on("highlight", &[Topology], &[Char('f')], Meaning::Highlight, "highlight what the filter matches"),
    on("hide", &[Topology], &[Char('H')], Meaning::Hide, "hide the rest"),
    on("earlier", &[Topology], &[Char(',')], Meaning::Earlier, "a minute back"),
    on("later", &[Topology], &[Char('.')], Meaning::Later, "a minute on"),
    on("less", &[Split], &[Char('h'), Key::Left], Meaning::Less, "1 % less"),
    on("more", &[Split], &[Char('l'), Key::Right], Meaning::More, "1 % more"),
    on("much-less", &[Split], &[Key::ShiftLeft], Meaning::MuchLess, "10 % less"),
    on("much-more", &[Split], &[Key::ShiftRight], Meaning::MuchMore, "10 % more"),
    on("type-weight", &[Split], &[Char('=')], Meaning::TypeWeight, "type a weight"),
    on("no-weight", &[Split], &[Char('0')], Meaning::NoWeight, "nothing to it"),
    on("all-weight", &[Split], &[Char('x')], Meaning::AllWeight, "everything to it"),
    on("balance", &[Split], &[Char('b')], Meaning::Balance, "the same to each"),
    on("undo", &[Split], &[Char('u')], Meaning::Undo, "undo what was applied last"),
    on("edit", &[Rules], &[Char('e')], Meaning::Edit, "edit the request"),
    on("load", &[Rules], &[Char('L')], Meaning::Load, "load the selected request"),
    on("recount", &[Rules], &[Char('D')], Meaning::Recount, "how many recent requests would go elsewhere now"),
    everywhere("filter", &[Char('/')], Meaning::Filter, "filter; Tab completes"),
    everywhere("clear-filter", &[Char('X')], Meaning::ClearFilter, "drop the filter"),
    everywhere("saved-filters", &[Char('F')], Meaning::SavedFilters, "saved filters"),
    everywhere("pause", &[Char(' ')], Meaning::Pause, "pause, or go on"),
    everywhere("bottom", &[Char('G'), Key::End], Meaning::Bottom, "last, and follow"),
    everywhere("top", &[Char('g'), Key::Home], Meaning::Top, "first"),
    everywhere("down", &[Char('j'), Key::Down], Meaning::Down, "down"),
    // `k` moves up but where it has a meaning of its own.
    on("up-k", &[Live, Trace, Topology, Split, Logs, Rules, Events, Diff], &[Char('k')], Meaning::Up, "up"),
    everywhere("up", &[Key::Up], Meaning::Up, "up"),
    everywhere("page-down", &[Key::PageDown], Meaning::PageDown, "page down"),
    everywhere("page-up", &[Key::PageUp], Meaning::PageUp, "page up"),
    everywhere("back", &[Key::Esc, Key::Backspace], Meaning::Back, "back"),
    everywhere("theme", &[Char('T')], Meaning::Theme, "next theme"),
    everywhere("mouse", &[Char('M')], Meaning::Mouse, "mouse on or off"),
    everywhere("palette", &[Char(':'), Char('P')], Meaning::Palette, "commands"),
    everywhere("help", &[Char('?')], Meaning::Help, "help"),
    everywhere("map", &[], Meaning::Keymap, "map: all keys by their actions"),
    everywhere("suspend", &[Key::Suspend], Meaning::Suspend, "stop; `fg` goes on"),
    everywhere("quit", &[Char('q'), Key::Interrupt], Meaning::Quit, "quit; the server goes on"),
];

/// What can be pressed there.
pub(crate) fn of(screen: Screen) -> impl Iterator<Item = &'static Binding> {
    BINDINGS.iter().filter(move |binding| binding.on.is_empty() || binding.on.contains(&screen))
}

// === impl Screen ===

impl Screen {
    pub(crate) const ALL: [Self; 9] = [Live, Trace, Topology, Sandboxes, Split, Logs, Rules, Events, Diff];

    /// The digit and the name, as the first row has them; without a digit it is there while it is shown.
    pub(crate) fn title(self) -> (Option<char>, &'static str) {
        match self {
            Live => (Some('1'), "Live"),
            Trace => (Some('2'), "Trace"),
            Topology => (Some('3'), "Topo"),
            Sandboxes => (Some('4'), "Sandboxes"),
            Split => (Some('5'), "Split"),
            Logs => (Some('6'), "Logs"),
            Rules => (Some('7'), "Rules"),
            Events => (Some('8'), "Events"),
            Diff => (None, "Diff"),
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
    ("shift-left", Key::ShiftLeft),
    ("shift-right", Key::ShiftRight),
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
    fn no_two_bindings_have_one_name() {
        let mut ids: Vec<&str> = BINDINGS.iter().map(|binding| binding.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), BINDINGS.len());
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
