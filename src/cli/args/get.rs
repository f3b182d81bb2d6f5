//! `spur get`.

use super::output::Format;

const EXAMPLES: &str = "\
Examples:
  spur get pods                   a table
  spur get deploy,svc -A          two kinds, every namespace
  spur get pod/web-1 -o yaml      one object, whole
  spur get pods -l app=web -w     and every change from now on
  spur get sandboxes -o wide";

/// `spur get …`
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct GetArgs {
    /// Kind and names: `pods`, `deploy,svc`, `pod web-1`, `pod/web-1`, `all`
    #[arg(required = true, value_name = "KIND [NAME] | KIND/NAME")]
    pub what: Vec<String>,
    /// Namespace [default: the context's, else `default`]
    #[arg(short, long, value_name = "NAMESPACE", conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,
    /// Objects of every namespace
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Labels to select by, such as app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    pub selector: Option<String>,
    /// Fields to select by, such as status.phase=Running
    #[arg(long, value_name = "SELECTOR")]
    pub field_selector: Option<String>,
    /// Go on and show every change
    #[arg(short, long)]
    pub watch: bool,
    /// json, yaml, wide, name or jsonpath={.path}
    #[arg(short, long, value_name = "FORMAT")]
    pub output: Option<Format>,
    /// Leave out the header line
    #[arg(long)]
    pub no_headers: bool,
    /// Show labels as the last column
    #[arg(long)]
    pub show_labels: bool,
    /// Exit with 0 and print nothing for what does not exist
    #[arg(long)]
    pub ignore_not_found: bool,
}
