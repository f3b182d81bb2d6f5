//! How words become arguments.

use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Args, clap::Error> {
    Args::try_parse_from(line.split_whitespace())
}

fn client(line: &str) -> ClientCommand {
    match parse(line).unwrap_or_else(|error| panic!("{line}: {error}")).command {
        Command::Client(command) => command,
        other => panic!("{line}: {other:?}"),
    }
}

#[track_caller]
fn refused(line: &str, expected: &str) {
    let error = parse(line).unwrap_err().to_string();
    assert!(error.contains(expected), "{line}: {error}");
}

#[test]
fn the_definitions_hold_together() {
    Args::command().debug_assert();
}

#[test]
fn every_command_that_is_shown_has_an_example() {
    let command = Args::command();
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        let name = subcommand.get_name();
        // `sandbox` has them with its own subcommands.
        let has_example = subcommand.get_after_help().is_some_and(|help| help.to_string().contains("spur "));
        assert!(has_example || name == "sandbox", "`spur {name} --help` has no example");
    }
}

#[test]
fn the_server_may_stand_before_or_after_the_command() {
    for line in ["spur --server http://x get pods", "spur get pods --server http://x"] {
        assert_eq!(parse(line).unwrap().connection.server.as_deref(), Some("http://x"), "{line}");
    }
}

#[test]
fn up_takes_the_usual_ports_unless_told() {
    let Command::Up(up) = parse("spur up").unwrap().command else { panic!("up is up") };
    assert_eq!((up.port, up.entry_port, up.output), (None, None, UpOutput::Text));
    let line = "spur up -o json --port 0 --entry-port 0 --no-ui --until-stdin-ends --data d -f a -f b --workers 2 \
         --limit headers=50 --limit idle-timeout=5m";
    let Command::Up(up) = parse(line).unwrap().command else { panic!("up is up") };
    assert_eq!((up.port, up.entry_port, up.workers), (Some(0), Some(0), Some(2)));
    assert_eq!(up.limit, ["headers=50", "idle-timeout=5m"]);
    assert_eq!((up.output, up.filename.len(), up.until_stdin_ends), (UpOutput::Json, 2, true));
    refused("spur up --workers 0", "0 is not in 1..=256");
    refused("spur up --runtime podman", "invalid value 'podman'");
}

#[test]
fn build_has_the_flags_of_docker() {
    let line = "spur build -t a:1 --tag b -f x/Dockerfile --build-arg A=1 --build-arg B --target c --no-cache --pull -q .";
    let Command::Build(build) = parse(line).unwrap().command else { panic!("build is build") };
    assert_eq!(
        (build.tag, build.build_arg),
        (vec!["a:1".to_owned(), "b".to_owned()], vec!["A=1".to_owned(), "B".to_owned()])
    );
    assert_eq!((build.target.as_deref(), build.output), (Some("c"), TextOrJson::Text));
    assert!(build.no_cache && build.pull && build.quiet);
    refused("spur build", "<PATH>");
}

#[test]
fn everything_after_the_dashes_is_the_tests_command() {
    let ClientCommand::Test(test) = client("spur test -f a.yaml --timeout 90s -- cmd -f x --help") else {
        panic!("test is test");
    };
    assert_eq!(test.command, ["cmd", "-f", "x", "--help"]);
    assert_eq!(test.timeout.as_secs(), 90);
    assert_eq!(test.ready_timeout.as_secs(), 120);
    refused("spur test -f a.yaml", "required arguments");
    refused("spur test -f a.yaml --timeout soon -- cmd", "`soon` is no duration");
}

#[test]
fn everything_after_sample_is_the_samples() {
    let Command::Sample(sample) = parse("spur sample pricing --port 80 --help").unwrap().command else {
        panic!("sample is sample");
    };
    assert_eq!(sample.args, ["pricing", "--port", "80", "--help"]);
}

#[test]
fn what_makes_no_sense_together_is_refused() {
    refused("spur get", "required arguments");
    refused("spur get pods -n a -A", "cannot be used with");
    refused("spur get pods -o table", "want `json`, `yaml`, `wide`, `name`");
    refused("spur delete", "required arguments");
    refused("spur delete pod a -f x.yaml", "cannot be used with");
    refused("spur wait pod/a --for=Ready", "want `condition=TYPE[=STATUS]`");
    refused("spur sandbox create", "required arguments");
    refused("spur sandbox create x", "--fork");
    refused("spur sandbox create x --fork a --ttl soon", "no duration");
    refused("spur sandbox create -f x.yaml --fork a", "cannot be used with");
}

#[test]
fn flags_have_the_names_of_kubectl() {
    let ClientCommand::Logs(logs) =
        client("spur logs web -c main -f --tail 5 --since 1m -p --timestamps -n shop")
    else {
        panic!("logs is logs");
    };
    assert!(logs.follow && logs.previous && logs.timestamps);
    assert_eq!((logs.tail, logs.since.map(|since| since.as_secs())), (Some(5), Some(60)));
    let ClientCommand::Get(get) = client("spur get deploy,svc -A -l app=web -o wide --watch") else {
        panic!("get is get");
    };
    assert!(get.all_namespaces && get.watch);
    assert_eq!(get.output, Some(Format::Wide));
}
