//! What is kept of requests' heads and bodies: flags of `spur up`.

use clap::ValueEnum;

/// Which requests are captured, and what is taken out of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct CaptureArgs {
    /// Which requests' headers and bodies are kept, 64 KiB of a body: those with a routing key, all, or none
    #[arg(long, value_name = "keyed|all|off", default_value = "keyed")]
    pub capture: CaptureChoice,
    /// A further header, query parameter or field of bodies whose value is not shown (repeatable)
    #[arg(long, value_name = "NAME")]
    pub redact: Vec<String>,
}

/// Which requests are captured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum CaptureChoice {
    /// Those with a routing key.
    #[default]
    Keyed,
    /// Each.
    All,
    /// None.
    Off,
}
