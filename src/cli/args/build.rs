//! `spur build`, which the binary itself runs.

use std::path::PathBuf;

use super::output::TextOrJson;

const EXAMPLES: &str = "\
The engine's own builder makes the image; what only BuildKit knows (RUN --mount,
here-documents) is not supported. What .dockerignore names is not sent.

Examples:
  spur build -t cart:dev .
  spur build -t cart:dev --build-arg VERSION=2 --target runtime .
  spur build -q -f docker/Dockerfile .      print the image's id and nothing else";

/// `spur build …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct BuildArgs {
    /// Folder that is sent to the engine
    #[arg(value_name = "PATH")]
    pub path: PathBuf,
    /// Name of the image (repeatable)
    #[arg(short, long, value_name = "NAME:TAG")]
    pub tag: Vec<String>,
    /// Dockerfile [default: PATH/Dockerfile]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Value for an ARG; that of the environment without `=` (repeatable)
    #[arg(long, value_name = "NAME=VALUE")]
    pub build_arg: Vec<String>,
    /// Stage to stop at
    #[arg(long, value_name = "STAGE")]
    pub target: Option<String>,
    /// Do every step anew
    #[arg(long)]
    pub no_cache: bool,
    /// Fetch base images, also where they are there
    #[arg(long)]
    pub pull: bool,
    /// Print the image's id and no steps
    #[arg(short, long)]
    pub quiet: bool,
    /// What to print on stdout
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: TextOrJson,
}
