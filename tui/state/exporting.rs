//! What is shown, written into a file: its name and format, asked for in a line.

use std::sync::Arc;

use spur_trace::Trace;

use super::cursor::Rows;
use super::line::Line;
use super::{Overlay, State};
use crate::event::{Action, Export, ExportFormat, Secrets};
use crate::keys::{Key, Screen};

/// A path is no longer (Linux: PATH_MAX).
const PATH_MAX_CHARS: usize = 4_096;

/// The dialog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Exporting {
    pub(crate) line: Line,
    pub(crate) format: ExportFormat,
    /// Requests that would be written.
    pub(crate) n_traces: usize,
    pub(crate) secrets: Secrets,
}

// === impl Exporting ===

impl Exporting {
    /// The other format; a file's name goes with it where it ends as the format does.
    fn change_format(&mut self) {
        let before = extension(self.format);
        self.format = match self.format {
            ExportFormat::Har => ExportFormat::JsonLines,
            ExportFormat::JsonLines => ExportFormat::Har,
        };
        if let Some(name) = self.line.text().strip_suffix(before) {
            self.line = Line::of(format!("{name}{}", extension(self.format)));
        }
    }
}

fn extension(format: ExportFormat) -> &'static str {
    match format {
        ExportFormat::Har => ".har",
        ExportFormat::JsonLines => ".jsonl",
    }
}

// === impl State ===

impl State {
    /// Opens it for the trace that is looked at, or for all that the filter shows.
    pub(super) fn open_export(&mut self) {
        let n_traces = self.exported().len();
        if n_traces == 0 {
            self.notice = Some("there is nothing to export".to_owned());
            return;
        }
        let now = jiff::Timestamp::try_from(self.now).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        let format = ExportFormat::Har;
        let line = Line::of(format!("spur-{}{}", now.strftime("%Y%m%d-%H%M%S"), extension(format)));
        let secrets = if self.screen == Screen::Trace { self.trace.secrets } else { Secrets::Hidden };
        self.overlay = Some(Overlay::Export(Exporting { line, format, n_traces, secrets }));
    }

    pub(super) fn name_export(&mut self, key: Key) -> Vec<Action> {
        let Some(Overlay::Export(exporting)) = &mut self.overlay else { return Vec::new() };
        match key {
            Key::Esc => self.overlay = None,
            Key::Suspend => return vec![Action::Suspend],
            Key::Tab => exporting.change_format(),
            Key::Char(character) => exporting.line.push(character, PATH_MAX_CHARS),
            Key::Enter => {
                let Exporting { line, format, secrets, .. } = exporting.clone();
                let path = line.text().trim().to_owned();
                if path.is_empty() {
                    return Vec::new();
                }
                self.overlay = None;
                self.notice = Some("writing".to_owned());
                let traces = self.exported();
                return vec![Action::Export(Box::new(Export { path, format, traces, secrets }))];
            }
            key => drop(exporting.line.edit(key)),
        }
        Vec::new()
    }

    fn exported(&self) -> Vec<Arc<Trace>> {
        match self.screen {
            Screen::Trace => self.trace.trace.iter().cloned().collect(),
            _ => {
                let listed = self.listed();
                (0..listed.n_rows()).filter_map(|idx| listed.row(idx).cloned()).collect()
            }
        }
    }
}
