//! The samples as processes: exit codes, signals and stdout. This binary runs
//! itself as `process sample NAME …`, as the main binary does, so that nothing
//! else has to be built first.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};
use rustix::process::{Pid, Signal, kill_process};

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(10);

/// What a sample promises between SIGTERM and its end.
const END_MAX: Duration = Duration::from_secs(1);

type Tried = Result<(), Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("sample") {
        return sample_services::run(args);
    }
    let trials = vec![
        trial("a_sample_says_where_it_listens_and_what_it_was_asked", says_where_it_listens),
        trial("sigterm_ends_a_sample_in_time", || ends_in_time(Signal::TERM)),
        trial("sigint_ends_a_sample_in_time", || ends_in_time(Signal::INT)),
        trial("an_idle_connection_does_not_hold_up_the_end", idle_connection),
        trial("the_port_variable_is_obeyed", port_variable),
        trial("a_port_that_is_taken_is_exit_code_1", port_taken),
        trial("a_wrong_name_is_exit_code_2", || {
            fails(&["prices"], &[], 2, "error: there is no service `prices`")
        }),
        trial("a_wrong_setting_is_exit_code_2", || {
            let vars = [("PRICE_PERCENT", "x")];
            fails(&["pricing", "--port", "0"], &vars, 2, "error: pricing: `PRICE_PERCENT`: found `x`")
        }),
        trial("help_is_exit_code_0", help),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(name: &str, test: impl FnOnce() -> Tried + Send + 'static) -> Trial {
    Trial::test(name, || test().map_err(|error| Failed::from(error.to_string())))
}

/// A sample under way; killed with its handle.
struct Running {
    child: Child,
    stdout: BufReader<ChildStdout>,
    address: String,
}

fn command(args: &[&str]) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("sample").args(args).env_remove("PORT").stdin(Stdio::null());
    Ok(command)
}

// === impl Running ===

impl Running {
    fn start(args: &[&str], vars: &[(&str, &str)]) -> Result<Self, Box<dyn std::error::Error>> {
        let mut command = command(args)?;
        let mut child = command.envs(vars.iter().copied()).stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("stdout is piped")?;
        let mut running = Self { child, stdout: BufReader::new(stdout), address: String::new() };
        let line = running.line()?;
        let (_, address) = line.split_once(" listens on http://").ok_or(format!("found `{line}`"))?;
        running.address = address.to_owned();
        Ok(running)
    }

    fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// `GET path` on a connection of its own, which the service then closes.
    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut connection = TcpStream::connect(&self.address)?;
        connection.set_read_timeout(Some(DEADLINE))?;
        write!(connection, "GET {path} HTTP/1.1\r\nhost: x\r\nspur-key: pr-1\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    fn signal(&self, signal: Signal) -> Result<(), Box<dyn std::error::Error>> {
        kill_process(Pid::from_child(&self.child), signal)?;
        Ok(())
    }

    /// The exit code, and how long it took to come.
    fn wait(&mut self) -> Result<(Option<i32>, Duration), Box<dyn std::error::Error>> {
        let started = Instant::now();
        // stdout ends with the process; reading it is waiting without polling.
        self.stdout.read_to_string(&mut String::new())?;
        Ok((self.child.wait()?.code(), started.elapsed()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already, or its test has failed.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn says_where_it_listens() -> Tried {
    let mut running = Running::start(&["pricing", "--port", "0"], &[("VERSION", "v2")])?;
    assert!(running.address.starts_with("127.0.0.1:"), "{}", running.address);
    let answer = running.get("/price/mug")?;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("served-by: pricing/v2\r\n"), "{answer}");
    let line = running.line()?;
    assert!(line.starts_with("GET /price/mug 200 ") && line.ends_with("ms key=pr-1"), "{line}");
    Ok(())
}

fn ends_in_time(signal: Signal) -> Tried {
    let mut running = Running::start(&["inventory", "--port=0"], &[])?;
    running.signal(signal)?;
    let (code, took) = running.wait()?;
    assert_eq!(code, Some(0));
    assert!(took < END_MAX, "{took:?}");
    Ok(())
}

fn idle_connection() -> Tried {
    let mut running = Running::start(&["inventory", "--port=0"], &[])?;
    let mut idle = TcpStream::connect(&running.address)?;
    idle.set_read_timeout(Some(DEADLINE))?;
    write!(idle, "GET /health HTTP/1.1\r\nhost: x\r\n\r\n")?;
    idle.read_exact(&mut [0; 12])?;
    running.signal(Signal::TERM)?;
    let (code, took) = running.wait()?;
    assert_eq!(code, Some(0));
    assert!(took < END_MAX, "{took:?}");
    Ok(())
}

fn port_variable() -> Tried {
    let running = Running::start(&["ws-echo"], &[("PORT", "0")])?;
    assert!(running.get("/health")?.contains("\"ok\""));
    Ok(())
}

fn port_taken() -> Tried {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let port = address.port().to_string();
    let expected = format!("error: dummy: could not listen on `{address}`: ");
    fails(&["dummy", "--port", &port], &[], 1, &expected)
}

fn fails(args: &[&str], vars: &[(&str, &str)], code: i32, expected: &str) -> Tried {
    let output = command(args)?.envs(vars.iter().copied()).output()?;
    let stderr = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.starts_with(expected), "{stderr}");
    Ok(())
}

fn help() -> Tried {
    let output = command(&["--help"])?.output()?;
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8(output.stdout)?.contains("recommendation"));
    Ok(())
}
