//! The keys as the user wants them: the table of `keys`, with rows bound otherwise by a file.
//!
//! ```text
//! # what it does = its keys
//! diff = D
//! up-k =                  no key
//! ```

use std::collections::HashMap;
use std::str::FromStr;

use crate::keys::{self, BINDINGS, Binding, Key, Meaning, Screen};

/// Which keys mean what.
#[derive(Clone, Debug)]
pub struct Keymap {
    /// The keys of each row of [`BINDINGS`], in its order.
    keys: Vec<Vec<Key>>,
}

// === impl Keymap ===

impl Keymap {
    /// What a key means there.
    pub(crate) fn meaning(&self, key: Key, screen: Screen) -> Option<Meaning> {
        keys::of(screen).find(|binding| self.keys_of(binding).contains(&key)).map(|binding| binding.meaning)
    }

    /// The keys of a row.
    pub(crate) fn keys_of(&self, binding: &Binding) -> &[Key] {
        let row = BINDINGS.iter().position(|other| other.id == binding.id);
        row.and_then(|row| self.keys.get(row)).map_or(&[], Vec::as_slice)
    }

    /// Their names, as the help shows them.
    pub(crate) fn names_of(&self, binding: &Binding) -> String {
        self.keys_of(binding).iter().map(|key| key.name()).collect::<Vec<_>>().join(" ")
    }

    /// Every row as a file would have it.
    pub(crate) fn lines(&self) -> Vec<String> {
        let widest = BINDINGS.iter().map(|binding| binding.id.len()).max().unwrap_or(0);
        let line = |binding: &Binding| {
            let Binding { id, help, .. } = binding;
            format!("{id:<widest$} = {:<15} {help}", self.names_of(binding))
        };
        BINDINGS.iter().map(line).collect()
    }

    /// The first key that means two things on a screen.
    fn duplicate(&self) -> Option<String> {
        Screen::ALL.into_iter().find_map(|screen| {
            let mut seen: HashMap<Key, &str> = HashMap::new();
            keys::of(screen).find_map(|binding| {
                self.keys_of(binding).iter().find_map(|key| {
                    let before = seen.insert(*key, binding.id)?;
                    let (key, screen) = (key.name(), screen.title().1);
                    Some(format!("`{key}` is `{before}` and `{}` on {screen}", binding.id))
                })
            })
        })
    }
}

impl Default for Keymap {
    fn default() -> Self {
        Self { keys: BINDINGS.iter().map(|binding| binding.keys.to_vec()).collect() }
    }
}

impl FromStr for Keymap {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut keymap = Self::default();
        for (idx, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let at = |error: String| format!("line {}: {error}", idx + 1);
            let (id, keys) =
                line.split_once('=').ok_or_else(|| at(format!("`{line}` is no `ACTION = KEY …`")))?;
            let id = id.trim();
            let row = BINDINGS.iter().position(|binding| binding.id == id);
            let row = row.ok_or_else(|| at(format!("`{id}` is no action; `:map` in `spur ui` shows all")))?;
            keymap.keys[row] =
                keys.split_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(at)?;
        }
        match keymap.duplicate() {
            Some(duplicate) => Err(duplicate),
            None => Ok(keymap),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_binds_actions_otherwise() {
        let keymap: Keymap = "# mine\ndiff = D c\nup-k =\n".parse().unwrap();
        let check = |key, screen, expected| assert_eq!(keymap.meaning(key, screen), expected, "{key:?}");
        check(Key::Char('D'), Screen::Live, Some(Meaning::Diff));
        check(Key::Char('c'), Screen::Trace, Some(Meaning::Diff));
        check(Key::Char('d'), Screen::Live, None);
        check(Key::Char('k'), Screen::Live, None);
        check(Key::Char('q'), Screen::Live, Some(Meaning::Quit));
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        let wrong = |text: &str| text.parse::<Keymap>().unwrap_err();
        assert_eq!(wrong("diff = q"), "`q` is `diff` and `quit` on Live");
        assert_eq!(wrong("\nbogus = q"), "line 2: `bogus` is no action; `:map` in `spur ui` shows all");
        assert_eq!(wrong("diff"), "line 1: `diff` is no `ACTION = KEY …`");
        assert_eq!(wrong("diff = bogus"), "line 1: `bogus` is no key");
    }

    #[test]
    fn what_the_map_shows_is_read_as_itself() {
        let keymap = Keymap::default();
        let lines = keymap.lines();
        let text: Vec<String> = BINDINGS
            .iter()
            .zip(&lines)
            .map(|(binding, line)| line.trim_end().trim_end_matches(binding.help).to_owned())
            .collect();
        assert_eq!(text.join("\n").parse::<Keymap>().unwrap().keys, keymap.keys);
    }
}
