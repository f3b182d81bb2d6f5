//! `spur ui`: the terminal interface, or what stands for it where there is no terminal.

use std::path::Path;

use anyhow::{Context, Result};
use spur_tui::{Ended, Keymap, PanicIn, Script, Settings, ThemeName};

use crate::args::{Part, Theme, TraceArgs, TraceListArgs, UiArgs, WhichArgs};
use crate::client::Client;
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{Exit, Failure};
use crate::facts::Facts;
use crate::trace;

/// Runs `spur ui`.
pub(crate) async fn run(
    args: &UiArgs,
    client: &Client,
    environment: &Environment,
    console: &mut Console,
) -> Result<Exit> {
    let UiArgs { plain, theme, ascii, keymap, script, size, dump, of_up, panic_in } = args;
    let settings = Settings {
        client: client.kube().clone(),
        url: client.url().to_owned(),
        theme: theme_of(*theme, environment.wants_colour),
        is_ascii: *ascii || environment.is_ascii,
        keymap: keymap.as_deref().map_or_else(|| Ok(Keymap::default()), read_keymap)?,
        saved_filters: Some(environment.state_dir.join("filters")),
        panic_in: panic_in.map(|part| match part {
            Part::Frame => PanicIn::Frame,
            Part::Task => PanicIn::Task,
        }),
    };
    if let Some(path) = script {
        let tried = || format!("failed to read script `{}`", path.display());
        let text = std::fs::read_to_string(path).with_context(tried)?;
        let script: Script =
            text.parse().map_err(|error| Failure::usage(format!("script `{}`: {error}", path.display())))?;
        let screen = spur_tui::run_script(settings, &script, *size).await?;
        match dump {
            Some(path) => std::fs::write(path, screen)
                .with_context(|| format!("failed to write `{}`", path.display()))?,
            None => console.bytes(screen.as_bytes())?,
        }
        return Ok(Exit::Success);
    }
    let has_terminal = environment.is_stdin_terminal && environment.is_stdout_terminal;
    if *plain || !has_terminal {
        if !plain {
            console.talk("(no terminal: one line per finished request, as with --plain)");
        }
        let list = TraceListArgs { follow: true, which: WhichArgs::default(), limit: None, output: None };
        let follow = TraceArgs { command: None, list };
        return trace::run(&follow, client, console).await;
    }
    // That there is no server is told before the screen is taken.
    Facts::read(client).await?;
    Ok(match spur_tui::open(settings).await? {
        // `spur up` ends with it.
        Ended::ByCtrlC if *of_up => Exit::Interrupted,
        Ended::ByUser | Ended::ByCtrlC => Exit::Success,
        Ended::ByInterrupt => Exit::Interrupted,
        Ended::ByTermination => Exit::Terminated,
    })
}

fn read_keymap(path: &Path) -> Result<Keymap> {
    let tried = || format!("failed to read keymap `{}`", path.display());
    let text = std::fs::read_to_string(path).with_context(tried)?;
    Ok(text.parse().map_err(|error| Failure::usage(format!("keymap `{}`: {error}", path.display())))?)
}

fn theme_of(theme: Option<Theme>, wants_colour: bool) -> ThemeName {
    match theme {
        _ if !wants_colour => ThemeName::Mono,
        None | Some(Theme::Ansi) => ThemeName::Ansi,
        Some(Theme::Light) => ThemeName::Light,
        Some(Theme::Mono) => ThemeName::Mono,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_color_beats_a_theme() {
        assert_eq!(theme_of(Some(Theme::Light), false), ThemeName::Mono);
        assert_eq!(theme_of(Some(Theme::Light), true), ThemeName::Light);
        assert_eq!(theme_of(None, true), ThemeName::Ansi);
    }
}
