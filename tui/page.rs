//! `docs/terminal.md` says which keys there are, as the interface has them.

use std::fmt::Write;
use std::path::Path;

use crate::keymap::Keymap;
use crate::keys::{BINDINGS, Binding, Screen};

const BEFORE: &str = "\
# The terminal interface

`spur ui` shows what the Spur of `spur up` does while it does it. It is a client of the API: ending it ends nothing else. The page is made
from its keys by `SPUR_WRITE=1 cargo test -p spur-tui page`.

| screen | what is there |
|---|---|
";

const SCREENS: [(Screen, &str); 9] = [
    (
        Screen::Live,
        "One row per request that came in, those in flight last. `h` `l` choose a cell of which `=` and `!` make a term of the filter.",
    ),
    (
        Screen::Trace,
        "The hops of a request as a waterfall, with what applications reported under them, and why the chosen one went where it went. Tab goes on to what was sent and answered, to lines of logs and to times; heads and bodies are there for what was captured (`spur up --capture`).",
    ),
    (
        Screen::Topology,
        "Who calls whom in a minute, drawn in layers with forks under their baseline; as a table below 100 columns and above 40 nodes. On each line: rate, errors, p95. `!` from 1 % of errors, `!!` from 10 %; `═` from 10 requests a second, `━` from 100.",
    ),
    (Screen::Sandboxes, "Sandboxes, their state and keys."),
    (
        Screen::Split,
        "The rules of VirtualServices with several destinations: weights, the share that each had in five minutes with its 95 % interval (Wilson), errors and p95. Weights are edited in place and nothing is sent before enter; then the server is asked whether it would take the change (a dry run), and then it is sent, unless somebody else has changed the rule since it was seen.",
    ),
    (Screen::Logs, "The lines of all workloads, or of a pod; `t` leaves those of the selected trace."),
    (
        Screen::Rules,
        "Where a request would go, with every candidate and why not; typed, or loaded from the selected one. Of a recorded request the host and headers are not known, but for its key, so that it is asked for under the name of its service. `D` asks the same for the recorded requests and counts those that went elsewhere; what was drawn by weight is counted apart, since its lot is not recorded.",
    ),
    (Screen::Events, "What the API says has happened."),
    (
        Screen::Diff,
        "Two requests call by call, with what is different about their answers where they were captured: a marked one, or the median of the requests of the same route without a key. Calls are the same by service, method, path and how often they came; numbers and ids in a path may differ.",
    ),
];

const BETWEEN: &str = "
## Sent again, and taken along

`r` sends a captured request again: as it was, to the baseline, with the key of a sandbox, or to several, whose answers are compared with the first one's. The
first is asked twice then, and what differs between its own answers is left out. Methods that may change something are confirmed. What was sent again has `↺` in the list.
`y` copies a request as a command of curl or HTTPie, its body or its address; `x` writes what is shown into a new file, as HAR or JSON lines. Secrets
are left out of all of it, but for a trace on which `R` shows them. `m` marks a request, which the server keeps then, and with which `d` compares others.

## Filters

`/` types a filter in the language of [filters.md](filters.md); it holds while it is typed. What cannot be read leaves the last filter that could,
and stands under its caret. Tab completes fields and values that there are, and goes on to the next. Up-arrow finds what was typed before. Backspace in a prompt in which
nothing was typed yet takes the last term. Requests, sandboxes, events and logs have a filter each: of an object `msg` is what its row shows, `level` an event's
type, `key` and `sandbox` a sandbox's; of a log line `msg` is the line.

A filter that is done is given to the server, which then tells of such requests alone, and of at most 500 ordinary ones a second. The
second row says how many are shown, how many matched (with those that were left out), and how many are kept here; the last row says `sampled 1:n`
where some are left out, and `LOST` where some were lost. The figures of the last row and of the topology are exact: the server counts each request.

## Keys

`spur ui --keymap FILE` binds actions otherwise, one a line: `ACTION = KEY …`. A key that would mean two things on a screen is refused.

| action | keys | where | what it does |
|---|---|---|---|
";

const AFTER: &str = "
The mouse is the terminal's, for selecting text, until `M` takes it: then a click selects, and the wheel goes up and down.

## Without a terminal

`spur ui --plain`, or with a pipe: one line per finished request. `spur ui --script FILE --size 120x40 --dump FILE` takes keys from a file and writes the last
screen as text. `--ascii` draws ASCII alone, with letters for the marks (`F` fork, `B` baseline as fallback, `S` split, `L` key lost, `E` failed, `R` replayed); by itself where `LC_ALL`,
`LC_CTYPE` or `LANG` names another codeset than UTF-8. `NO_COLOR` leaves bold, underlined and reversed.
";

fn page() -> String {
    let mut page = BEFORE.to_owned();
    for (screen, what) in SCREENS {
        let (digit, name) = screen.title();
        let name = digit.map_or_else(|| name.to_owned(), |digit| format!("`{digit}` {name}"));
        writeln!(page, "| {name} | {what} |").unwrap();
    }
    page.push_str(BETWEEN);
    let keymap = Keymap::default();
    for binding in BINDINGS {
        let Binding { id, on, help, .. } = binding;
        let keys = keymap.keys_of(binding).iter().map(|key| format!("`{}`", key.name()));
        let keys = keys.collect::<Vec<_>>().join(" ");
        let on = on.iter().map(|screen| screen.title().1).collect::<Vec<_>>().join(", ");
        let on = if on.is_empty() { "everywhere" } else { &on };
        writeln!(page, "| `{id}` | {keys} | {on} | {help} |").unwrap();
    }
    page.push_str(AFTER);
    page
}

#[test]
fn the_page_says_what_the_keys_are() {
    assert_eq!(SCREENS.map(|(screen, _)| screen), Screen::ALL);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/terminal.md");
    if std::env::var_os("SPUR_WRITE").is_some() {
        std::fs::write(&path, page()).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        page(),
        "docs/terminal.md is stale: run `SPUR_WRITE=1 cargo test -p spur-tui page`"
    );
}
