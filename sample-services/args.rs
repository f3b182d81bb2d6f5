//! What was typed after `spur sample`: a service's name and its port. By hand,
//! because two words do not need a parser. Leaves the environment to `settings`.

use crate::sample::{self, SAMPLES, Sample};

/// What the arguments ask for.
#[derive(Debug)]
pub(crate) enum Command {
    /// Print [`help`].
    Help,
    /// Run one service; `port` overrides `PORT`.
    Serve { sample: &'static Sample, port: Option<u16> },
}

/// Arguments that name no service, or not a usable port.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    /// No service was named.
    #[error("no service is named: wanted one of {}", names())]
    NoName,
    /// There is no such service.
    #[error("there is no service `{0}`: wanted one of {names}", names = names())]
    UnknownName(String),
    /// Something else than a name and `--port`.
    #[error("unknown argument `{0}`: wanted `--port NUMBER`")]
    Unknown(String),
    /// The port is missing or not one.
    #[error("`--port`: found `{0}`, wanted a number from 0 to 65535")]
    BadPort(String),
}

/// Reads `NAME [--port NUMBER]`.
pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Command, ArgsError> {
    let mut args = args.into_iter();
    let (mut name, mut port) = (None, None);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" => return Ok(Command::Help),
            "--port" => port = Some(parse_port(&args.next().unwrap_or_default())?),
            _ => match arg.strip_prefix("--port=") {
                Some(value) => port = Some(parse_port(value)?),
                None if name.is_none() && !arg.starts_with('-') => name = Some(arg),
                None => return Err(ArgsError::Unknown(arg)),
            },
        }
    }
    let name = name.ok_or(ArgsError::NoName)?;
    let sample = sample::find(&name).ok_or(ArgsError::UnknownName(name))?;
    Ok(Command::Serve { sample, port })
}

/// What `spur sample --help` prints.
pub(crate) fn help() -> String {
    let row = |sample: &Sample| format!("  {:<15} {}\n", sample.name, sample.about);
    let rows: String = SAMPLES.iter().map(row).collect();
    format!(
        "Runs one of the sample services.\n\n\
         Usage: spur sample NAME [--port NUMBER]\n\n\
         {rows}\n\
         It listens on 127.0.0.1, port `PORT` (8080 unless set), and finds the others by\n\
         `<SERVICE>_URL`, such as `PRICING_URL=http://127.0.0.1:41234`."
    )
}

fn parse_port(value: &str) -> Result<u16, ArgsError> {
    value.parse().map_err(|_| ArgsError::BadPort(value.to_owned()))
}

fn names() -> String {
    let names: Vec<_> = SAMPLES.iter().map(|sample| sample.name).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(args: &[&str], expected: &str) {
        let found = match parse(args.iter().map(|arg| (*arg).to_owned())) {
            Ok(Command::Help) => "help".to_owned(),
            Ok(Command::Serve { sample, port }) => format!("{} {port:?}", sample.name),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{args:?}");
    }

    #[test]
    fn a_name_and_a_port_are_understood() {
        check(&["pricing"], "pricing None");
        check(&["--port", "0", "ws-echo"], "ws-echo Some(0)");
        check(&["dummy", "--port=81"], "dummy Some(81)");
        check(&["dummy", "-h"], "help");
    }

    #[test]
    fn anything_else_says_what_was_wanted() {
        let names = "frontend, checkout, pricing, inventory, recommendation, ws-echo, dummy";
        check(&[], &format!("no service is named: wanted one of {names}"));
        check(&["prices"], &format!("there is no service `prices`: wanted one of {names}"));
        check(&["dummy", "x"], "unknown argument `x`: wanted `--port NUMBER`");
        check(&["dummy", "--port"], "`--port`: found ``, wanted a number from 0 to 65535");
        check(&["dummy", "--port", "70000"], "`--port`: found `70000`, wanted a number from 0 to 65535");
    }

    #[test]
    fn the_help_names_every_service() {
        for sample in SAMPLES {
            assert!(help().contains(sample.name), "{}", sample.name);
        }
    }
}
