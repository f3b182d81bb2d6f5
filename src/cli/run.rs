//! From a command to its code: the one dispatch.

use std::process::ExitCode;

use anyhow::Result;

use crate::args::{ClientCommand, ConnectionArgs};
use crate::console::Console;
use crate::environment::Environment;
use crate::error::{self, Exit};
use crate::{
    apply, completion, connect, delete, demo, explain, get, kubeconfig, logs, replay, rules, sandbox, status,
    test, trace, ui, verify, version, wait,
};

/// Runs a command to its end; errors are told on stderr.
pub async fn run(connection: ConnectionArgs, command: ClientCommand, environment: Environment) -> ExitCode {
    run_on(Console::new(&environment), connection, command, environment).await
}

/// The same with its data on stderr, for a caller whose stdout holds data of its own.
pub async fn run_on_stderr(
    connection: ConnectionArgs,
    command: ClientCommand,
    environment: Environment,
) -> ExitCode {
    run_on(Console::on_stderr(&environment), connection, command, environment).await
}

async fn run_on(
    mut console: Console,
    connection: ConnectionArgs,
    command: ClientCommand,
    environment: Environment,
) -> ExitCode {
    let exit = match dispatch(&connection, command, &environment, &mut console).await {
        Ok(exit) => exit,
        Err(error) => error::report(&mut console, &error),
    };
    exit.into()
}

pub(crate) async fn dispatch(
    connection: &ConnectionArgs,
    command: ClientCommand,
    environment: &Environment,
    console: &mut Console,
) -> Result<Exit> {
    let client = async || connect::connect(connection, environment).await;
    match command {
        ClientCommand::Demo(args) => demo::run(&args, environment, console).await,
        ClientCommand::Test(args) => test::run(&args, environment, console).await,
        ClientCommand::Status(args) => status::run(&args, &client().await?, console).await,
        ClientCommand::Get(args) => get::run(&args, &client().await?, console).await,
        ClientCommand::Apply(args) => apply::run(&args, &client().await?, console).await,
        ClientCommand::Delete(args) => delete::run(&args, &client().await?, console).await,
        ClientCommand::Logs(args) => logs::run(&args, &client().await?, console).await,
        ClientCommand::Wait(args) => wait::run(&args, &client().await?, console).await,
        ClientCommand::Sandbox(args) => sandbox::run(args.command, &client().await?, console).await,
        ClientCommand::Explain(args) => explain::run(&args, connection, environment, console).await,
        ClientCommand::Rules(args) => rules::run(&args, connection, environment, console).await,
        ClientCommand::Trace(args) => trace::run(&args, &client().await?, console).await,
        ClientCommand::Replay(args) => replay::run(&args, &client().await?, console).await,
        ClientCommand::Ui(args) => ui::run(&args, &client().await?, environment, console).await,
        ClientCommand::Verify(args) => verify::run(&args, &client().await?, console).await,
        ClientCommand::Kubeconfig(args) => kubeconfig::run(&args, connection, environment, console),
        ClientCommand::Completion(args) => completion::run(&args, console),
        ClientCommand::Version(args) => version::run(&args, console),
    }
}
