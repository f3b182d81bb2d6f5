//! `spur completion`: a script that completes every command that `--help` shows.

use anyhow::Result;
use clap::CommandFactory;

use crate::args::{Args, CompletionArgs};
use crate::console::Console;
use crate::error::Exit;

/// Runs `spur completion`.
pub(crate) fn run(args: &CompletionArgs, console: &mut Console) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut visible(&Args::command()), "spur", &mut script);
    console.bytes(&script)?;
    Ok(Exit::Success)
}

/// The command without hidden subcommands, which scripts would offer otherwise.
fn visible(command: &clap::Command) -> clap::Command {
    let mut shown = clap::Command::new("spur").args(command.get_arguments().cloned());
    if let Some(about) = command.get_about() {
        shown = shown.about(about.clone());
    }
    let subcommands = command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set());
    shown.subcommands(subcommands.cloned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap_complete::Shell;

    #[test]
    fn every_shell_gets_the_shown_commands_and_no_hidden_ones() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::Elvish, Shell::PowerShell] {
            let (mut console, screen) = Console::captured();
            run(&CompletionArgs { shell }, &mut console).unwrap();
            let script = screen.data();
            assert!(script.contains("sandbox") && script.contains("kubeconfig"), "{shell}");
            assert!(!script.contains("demo's services"), "{shell} offers a hidden command");
        }
    }
}
