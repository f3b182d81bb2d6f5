//! However it ends, the terminal is as it was before.

use libtest_mimic::Trial;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Spur, until};
use crate::needs::Need;
use crate::tmux::Terminal;

pub(crate) fn trials(tmux: &Need) -> Vec<Trial> {
    let mut trials = vec![
        tmux.trial("every_end_restores_the_terminal", every_end_restores_the_terminal),
        tmux.trial("it_stops_as_a_job_and_goes_on", it_stops_as_a_job_and_goes_on),
        tmux.trial("up_opens_it_and_outlives_it", up_opens_it_and_outlives_it),
        tmux.trial("a_terminal_that_goes_away_ends_it", a_terminal_that_goes_away_ends_it),
    ];
    // Other builds cannot be asked to panic.
    if cfg!(debug_assertions) {
        trials.push(tmux.trial("a_panic_restores_the_terminal", a_panic_restores_the_terminal));
    }
    trials
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// What ends it, by what is done to its process, and what the shell then says.
type End<'a> = (&'a str, &'a dyn Fn(u32), &'a str);

async fn every_end_restores_the_terminal() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (120, 30)).await;
    let before = terminal.settings("before").await;
    let ends: [End<'_>; 4] = [
        ("q", &|_| terminal.press(&["q"]), "code 0"),
        ("ctrl-c", &|_| terminal.press(&["C-c"]), "code 0"),
        ("SIGTERM", &|pid| signal(pid, Signal::TERM), "code 143"),
        ("SIGINT", &|pid| signal(pid, Signal::INT), "code 130"),
    ];
    for (name, end, code) in ends {
        terminal.ui("", "").await;
        assert!(terminal.is_alternate(), "{name}");
        end(terminal.pid().await);
        terminal.until(code).await;
        assert!(!terminal.is_alternate(), "{name}");
        assert_eq!(terminal.settings(name).await, before, "{name}");
    }
    spur.end().await;
}

/// The message is there to be read, and the server goes on.
async fn a_panic_restores_the_terminal() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (120, 30)).await;
    let before = terminal.settings("before").await;
    let panics = [
        ("frame", "code 101\n", "a frame was asked to panic"),
        ("task", "code 1\n", "a task was asked to panic"),
    ];
    for (part, code, message) in panics {
        terminal.run("clear");
        let sent = terminal.record(&format!("sent-by-{part}"));
        terminal.ui("RUST_BACKTRACE=0", &format!("--panic-in {part}")).await;
        assert!(terminal.is_alternate(), "{part}");
        // Help is a frame of its own.
        terminal.press(&["?"]);
        let left = terminal.until(code).await;
        assert!(left.contains(message) && !left.contains("● live"), "{part}: {left}");
        assert!(!terminal.is_alternate(), "{part}");
        assert_eq!(terminal.settings(part).await, before, "{part}");
        // tmux does not hold its screen back between these, and others would for a while.
        let sent = until("all of it is written", async || {
            let sent = std::fs::read(&sent).unwrap();
            let text = String::from_utf8_lossy(&sent).into_owned();
            if text.contains(code.trim_end()) { Ok(sent) } else { Err(text) }
        })
        .await;
        let last = |text: &[u8]| sent.windows(text.len()).rposition(|window| window == text);
        let (begun, ended) = (last(b"\x1b[?2026h"), last(b"\x1b[?2026l"));
        assert!(begun.is_some() && begun < ended, "{part}: {begun:?}, {ended:?}");
        let shown = last(b"\x1b[?25h");
        assert!(shown.is_some() && last(b"\x1b[?25l") < shown, "{part}: the cursor");
    }
    spur.run(&["status"]).await.ok();
    spur.end().await;
}

async fn it_stops_as_a_job_and_goes_on() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (120, 30)).await;
    let before = terminal.settings("before").await;
    terminal.ui("", "").await;
    terminal.press(&["4"]);
    terminal.until("[4 Sandboxes]").await;
    terminal.press(&["C-z"]);
    terminal.until("Stopped").await;
    assert!(!terminal.is_alternate());
    assert_eq!(terminal.settings("stopped").await, before);
    terminal.run("fg");
    // All of it is there again, and keys are.
    terminal.until("[4 Sandboxes]").await;
    terminal.press(&["1"]);
    terminal.until("[1 Live]").await;
    // From outside the same.
    signal(terminal.pid().await, Signal::TSTP);
    terminal.until("Stopped").await;
    terminal.run("clear; fg");
    terminal.until("[1 Live]").await;
    terminal.press(&["q"]);
    until(
        "the screen is the shell's",
        async || if terminal.is_alternate() { Err("not yet") } else { Ok(()) },
    )
    .await;
    assert_eq!(terminal.settings("after").await, before);
    spur.end().await;
}

async fn a_terminal_that_goes_away_ends_it() {
    let spur = Spur::up().start().await;
    // Where nobody is told by a signal, too; and often, since who hears of it first is chance.
    for before in ["", "trap '' HUP;", "", "", "trap '' HUP;"] {
        let terminal = Terminal::open(&spur, (120, 30)).await;
        terminal.ui(before, "").await;
        let process = format!("/proc/{}", terminal.pid().await);
        drop(terminal);
        until("the process has ended", async || {
            if std::path::Path::new(&process).exists() { Err("it still runs") } else { Ok(()) }
        })
        .await;
    }
    spur.end().await;
}

/// `q` leaves the interface alone, Ctrl-C ends the server with it, and so does SIGTERM.
async fn up_opens_it_and_outlives_it() {
    let spur = Spur::up().start().await;
    let terminal = Terminal::open(&spur, (120, 30)).await;
    let before = terminal.settings("before").await;
    let up = |data: &str| {
        let (binary, data) = (env!("CARGO_BIN_EXE_spur"), spur.data().home().join(data));
        let data = data.display();
        format!("{binary} up --data {data} --port 0 --entry-port 0 --service-ports free; echo \"code $?\"")
    };
    terminal.run(&up("left"));
    terminal.until("● live").await;
    assert!(terminal.is_alternate());
    terminal.press(&["q"]);
    let left = terminal.until("spur goes on").await;
    assert!(left.contains("spur is up") && !terminal.is_alternate(), "{left}");
    terminal.press(&["C-c"]);
    terminal.until("code 0").await;

    terminal.run(&format!("clear; {}", up("interrupted")));
    terminal.until("● live").await;
    terminal.press(&["C-c"]);
    terminal.until("code 0").await;
    assert!(!terminal.is_alternate());
    assert_eq!(terminal.settings("interrupted").await, before);

    // A job in the background has no terminal to show it on.
    terminal.run(&format!("clear; ({}) &", up("background")));
    terminal.until("Ctrl-C ends it").await;
    assert!(!terminal.is_alternate());
    terminal.run("clear; kill -TERM -- -$!; wait $!; echo \"ended $?\"");
    terminal.until("ended 143").await;

    terminal.run(&format!("clear; {}", up("terminated")));
    terminal.until("● live").await;
    signal(terminal.pid().await, Signal::TERM);
    terminal.until("code 0").await;
    assert!(!terminal.is_alternate());
    assert_eq!(terminal.settings("terminated").await, before);
    spur.end().await;
}
