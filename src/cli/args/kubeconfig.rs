//! `spur kubeconfig`.

const EXAMPLES: &str = "\
Examples:
  spur kubeconfig > ~/.kube/spur.yaml
  export KUBECONFIG=$(spur kubeconfig --path)";

/// `spur kubeconfig …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct KubeconfigArgs {
    /// Print where the file is, not what is in it
    #[arg(long)]
    pub path: bool,
}
