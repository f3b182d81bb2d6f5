//! Diff: two traces call by call, how much longer each took, and what else is another.

use std::time::Duration;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use spur_trace::{DiffRow, DiffSide, Difference, ResponseDifference, ResponsePart, Trace, short_duration};

use super::live::cell;
use super::text::{put, put_right, time};
use super::theme::Theme;
use crate::state::State;
use crate::state::cursor::first_visible;
use crate::state::diff_view::{DiffView, short};

/// Where each column begins and how wide it is; 0 is left out.
struct Columns {
    name: (u16, u16),
    a: (u16, u16),
    b: (u16, u16),
    longer: (u16, u16),
    what: (u16, u16),
    bars: (u16, u16),
}

pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buf: &mut Buffer) {
    let Some(view) = &state.diff else {
        put(buf, area, 2, 2, "Nothing is compared yet: d on a request does it.", theme.dim);
        return;
    };
    let side = |letter: char, trace: &Trace, what: &str| {
        format!(" {letter} {} {} · {what}", short(trace), time(trace.started))
    };
    let (a, b) = (side('A', &view.a, &view.a_is), side('B', &view.b, &view.b_is));
    let n_titles = n_titles(area.width);
    let column = put(buf, area, 0, 0, &a, theme.title);
    match n_titles {
        1 => put(buf, area, column + 3, 0, &b, theme.title),
        _ => put(buf, area, 0, 1, &b, theme.title),
    };
    put(buf, area, 1, n_titles, &summary(view), theme.plain);
    let table = table(area);
    let columns = Columns::of(area.width);
    for (place, title, is_right) in [
        (columns.name, "HOP", false),
        (columns.a, "A", true),
        (columns.b, "B", true),
        (columns.longer, "Δ", true),
        (columns.what, "WHAT", false),
        (columns.bars, "A ░  B ▓", false),
    ] {
        match is_right {
            true => put_right(buf, cell(table, place), place.1, 0, title, theme.dim),
            false => drop(put(buf, cell(table, place), 0, 0, title, theme.dim)),
        }
    }
    let rows = &view.diff.rows;
    let body = Rect { y: table.y + 1, height: table.height.saturating_sub(1), ..table };
    let first = first_visible(rows.len(), view.idx, body.height.into());
    for (line, (idx, row)) in (0..body.height).zip(rows.iter().enumerate().skip(first)) {
        let line = Rect { y: body.y + line, height: 1, ..body };
        columns.row(row, view.length(), theme, line, buf);
        if idx == view.idx {
            put(buf, line, 0, 0, "▶", theme.plain);
            buf.set_style(line, theme.selected);
        }
    }
    let last = area.height.saturating_sub(1);
    put(buf, area, 1, last.saturating_sub(1), &answers(state.answers_compared()), theme.plain);
    put(buf, area, 1, last, &footer(view), theme.dim);
}

/// What is usual for the selected call, and what can be pressed.
fn footer(view: &DiffView) -> String {
    let usual = view.usually().map_or_else(String::new, |(median, n)| {
        format!("usually {} (p50 of {n} without a key) · ", short_duration(median))
    });
    format!("{usual}n N next, previous difference · b answers · s swap · enter opens the trace")
}

/// What is different about the answers of the selected call, counted.
fn answers(found: Result<Vec<ResponseDifference>, String>) -> String {
    let found = match found {
        Ok(found) if found.is_empty() => return "answers: the same".to_owned(),
        Ok(found) => found,
        Err(why) => return why,
    };
    let n_headers = found
        .iter()
        .filter(|found| matches!(found.part, ResponsePart::Header(_) | ResponsePart::Trailer(_)))
        .count();
    let is_of_body = |part: &ResponsePart| {
        matches!(part, ResponsePart::Value(_) | ResponsePart::Lines | ResponsePart::Bytes)
    };
    let n_values = found.iter().filter(|found| is_of_body(&found.part)).count();
    format!("headers: {n_headers} changed   body: {n_values} changed   b shows them")
}

/// Rows of what both are.
fn n_titles(width: u16) -> u16 {
    if width >= 120 { 1 } else { 2 }
}

/// Between the titles and the help.
fn table(area: Rect) -> Rect {
    let n_above = n_titles(area.width) + 1;
    // Answers and help stand below.
    Rect { y: area.y + n_above, height: area.height.saturating_sub(n_above + 2), ..area }
}

/// Where the rows are, which is the first of them, and how many there are.
pub(super) fn list(state: &State, area: Rect) -> Option<(Rect, usize, usize)> {
    let view = state.diff.as_ref()?;
    let table = table(area);
    let body = Rect { y: table.y + 1, height: table.height.saturating_sub(1), ..table };
    let n_rows = view.diff.rows.len();
    Some((body, first_visible(n_rows, view.idx, body.height.into()), n_rows))
}

/// What differs, counted.
fn summary(view: &DiffView) -> String {
    let n = |wanted: Difference| view.diff.rows.iter().filter(|row| row.difference() == wanted).count();
    let (a, b) = view.diff.durations;
    let longer =
        signed(i64::try_from(b.as_micros()).unwrap_or(0) - i64::try_from(a.as_micros()).unwrap_or(0));
    let key = |key: &Option<std::sync::Arc<str>>| key.as_deref().unwrap_or("none").to_owned();
    let (key_a, key_b) = &view.diff.keys;
    let keys = if key_a == key_b {
        format!("key {}", key(key_a))
    } else {
        format!("key {} → {}", key(key_a), key(key_b))
    };
    let mut parts = vec![format!("{} → {} ({longer})", short_duration(a), short_duration(b)), keys];
    for (count, word) in [
        (n(Difference::Changed), "changed"),
        (n(Difference::Slower), "slower"),
        (n(Difference::Faster), "faster"),
        (n(Difference::New), "only in B"),
        (n(Difference::Gone), "only in A"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    parts.join(" · ")
}

/// `+624ms`.
fn signed(us: i64) -> String {
    let sign = if us < 0 { "-" } else { "+" };
    format!("{sign}{}", short_duration(Duration::from_micros(us.unsigned_abs())))
}

/// What is another, in words.
fn words(row: &DiffRow) -> String {
    let (Some(a), Some(b)) = (&row.a, &row.b) else {
        return if row.a.is_some() { "only in A".to_owned() } else { "only in B".to_owned() };
    };
    let status = |side: &DiffSide| side.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let version =
        |side: &DiffSide| side.fork.as_ref().map_or_else(|| "baseline".to_owned(), |fork| format!("◆{fork}"));
    let mut parts = Vec::new();
    if a.status != b.status || a.is_failed != b.is_failed {
        parts.push(format!("{} → {}", status(a), status(b)));
    }
    if a.fork != b.fork {
        parts.push(format!("{} → {}", version(a), version(b)));
    }
    match (a.is_lost, b.is_lost) {
        (false, true) => parts.push("▲ LOST the key".to_owned()),
        (true, false) => parts.push("kept the key".to_owned()),
        (true, true) | (false, false) => {}
    }
    match row.difference() {
        Difference::Slower => parts.push("slower".to_owned()),
        Difference::Faster => parts.push("faster".to_owned()),
        Difference::Gone | Difference::New | Difference::Changed | Difference::Same => {}
    }
    parts.join(", ")
}

fn style(row: &DiffRow, theme: &Theme) -> Style {
    let has_failed =
        row.b.as_ref().is_some_and(|b| b.is_failed) && !row.a.as_ref().is_some_and(|a| a.is_failed);
    match row.difference() {
        _ if has_failed => theme.failure,
        Difference::Gone | Difference::Slower => theme.warning,
        Difference::New | Difference::Changed => theme.fork,
        Difference::Faster => theme.good,
        Difference::Same => theme.plain,
    }
}

// === impl Columns ===

impl Columns {
    /// Columns go as the room does: the bars, then what differs, then how much.
    fn of(width: u16) -> Self {
        let (side, longer, what, bars) = match width {
            140.. => (13, 9, 28, width / 4),
            100.. => (13, 9, 22, width / 6),
            70.. => (11, 9, 18, 0),
            50.. => (9, 8, 0, 0),
            _ => (8, 0, 0, 0),
        };
        let gaps = 2 + 2 + [longer, what, bars].iter().filter(|width| **width > 0).count();
        let taken = 2 * side + longer + what + bars + u16::try_from(gaps).unwrap_or(0);
        let mut next = 2;
        let mut column = |width: u16| {
            let place = (next, width);
            next += if width == 0 { 0 } else { width + 1 };
            place
        };
        Self {
            name: column(width.saturating_sub(taken)),
            a: column(side),
            b: column(side),
            longer: column(longer),
            what: column(what),
            bars: column(bars),
        }
    }

    fn row(&self, row: &DiffRow, length: Duration, theme: &Theme, area: Rect, buf: &mut Buffer) {
        let Self { name, a, b, longer, what, bars } = self;
        let style = style(row, theme);
        let sign = match row.difference() {
            Difference::New => "+ ",
            Difference::Gone => "- ",
            Difference::Changed | Difference::Slower | Difference::Faster | Difference::Same => "",
        };
        let place = cell(area, *name);
        let indent = u16::try_from(row.depth).unwrap_or(u16::MAX).min(place.width / 3);
        let column = put(buf, place, indent, 0, &format!("{sign}{}", row.service), style);
        let times = if row.ordinal > 1 { format!(" ({}.)", row.ordinal) } else { String::new() };
        put(buf, place, column + 1, 0, &format!("{} {}{times}", row.method, row.path), theme.dim);
        for (place, side) in [(a, &row.a), (b, &row.b)] {
            put_right(buf, cell(area, *place), place.1, 0, &shown(side.as_ref()), style);
        }
        let by = row.longer_us().map_or_else(|| "–".to_owned(), signed);
        put_right(buf, cell(area, *longer), longer.1, 0, &by, style);
        put(buf, cell(area, *what), 0, 0, &words(row), style);
        self.bars(row, length, style, cell(area, *bars), buf);
    }

    /// How long each took, one over the other: what both took is `▓`, what one took alone its own sign.
    fn bars(&self, row: &DiffRow, length: Duration, style: Style, area: Rect, buf: &mut Buffer) {
        let n_cells = |side: &Option<DiffSide>| {
            let duration = side.as_ref().and_then(|side| side.duration).unwrap_or_default();
            let share = duration.as_secs_f64() / length.as_secs_f64().max(f64::MIN_POSITIVE);
            // `as` cuts off, which is meant, and stays within `u16`.
            ((share * f64::from(area.width)).ceil() as u16).min(area.width)
        };
        let (n_a, n_b) = (n_cells(&row.a), n_cells(&row.b));
        for column in 0..n_a.max(n_b) {
            let sign = if column < n_a { "░" } else { "▓" };
            put(buf, area, column, 0, sign, style);
        }
    }
}

/// `503 ◆ 811ms`.
fn shown(side: Option<&DiffSide>) -> String {
    let Some(side) = side else { return "–".to_owned() };
    let status = side.status.map_or_else(|| "-".to_owned(), |status| status.to_string());
    let mark = if side.fork.is_some() { "◆" } else { "" };
    let duration = side.duration.map_or_else(|| "…".to_owned(), short_duration);
    format!("{mark}{status} {duration}")
}
