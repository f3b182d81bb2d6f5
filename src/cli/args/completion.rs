//! `spur completion`.

use clap_complete::Shell;

const EXAMPLES: &str = "\
Examples:
  spur completion bash > ~/.local/share/bash-completion/completions/spur
  spur completion zsh > \"${fpath[1]}/_spur\"
  spur completion fish > ~/.config/fish/completions/spur.fish";

/// `spur completion …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct CompletionArgs {
    /// The shell
    pub shell: Shell,
}
