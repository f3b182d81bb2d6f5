//! Where the user is in a list that changes under them.
//!
//! What is selected is remembered by its id and never by its row, so that rows
//! may come and go above it.

/// A list, by the ids of its rows.
pub(crate) trait Rows {
    /// What tells a row from all others, for as long as it is there.
    type Id: Clone + PartialEq;

    fn n_rows(&self) -> usize;
    fn id_at(&self, idx: usize) -> Option<Self::Id>;
    fn idx_of(&self, id: &Self::Id) -> Option<usize>;
}

/// A place in a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cursor<Id> {
    selected: Option<Id>,
    /// Whether it stays on the last row, whichever that is.
    is_following: bool,
}

/// A way to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Motion {
    Up(usize),
    Down(usize),
    Top,
    Bottom,
}

// === impl Cursor ===

impl<Id: Clone + PartialEq> Cursor<Id> {
    /// On the last row, for lists that grow there.
    pub(crate) fn following() -> Self {
        Self { selected: None, is_following: true }
    }

    /// On the first row.
    pub(crate) fn first() -> Self {
        Self { selected: None, is_following: false }
    }

    pub(crate) fn is_following(&self) -> bool {
        self.is_following
    }

    /// The selected row. One that is gone is the first, since lists lose their oldest rows.
    pub(crate) fn idx(&self, rows: &impl Rows<Id = Id>) -> Option<usize> {
        let last = rows.n_rows().checked_sub(1)?;
        if self.is_following {
            return Some(last);
        }
        Some(self.selected.as_ref().and_then(|id| rows.idx_of(id)).unwrap_or(0))
    }

    /// The selected row's id.
    pub(crate) fn id(&self, rows: &impl Rows<Id = Id>) -> Option<Id> {
        rows.id_at(self.idx(rows)?)
    }

    /// Goes; away from the last row ends following, and `Bottom` begins it.
    pub(crate) fn go(&mut self, motion: Motion, rows: &impl Rows<Id = Id>) {
        self.is_following = match motion {
            Motion::Bottom => true,
            Motion::Down(_) => self.is_following,
            Motion::Up(_) | Motion::Top => {
                self.selected = self.id(rows);
                false
            }
        };
        let Some(idx) = self.idx(rows) else { return };
        let last = rows.n_rows() - 1;
        let idx = match motion {
            Motion::Up(n) => idx.saturating_sub(n),
            Motion::Down(n) => idx.saturating_add(n).min(last),
            Motion::Top => 0,
            Motion::Bottom => last,
        };
        self.selected = rows.id_at(idx);
    }

    /// Goes to a row, and stays there.
    pub(crate) fn select(&mut self, id: Id) {
        *self = Self { selected: Some(id), is_following: false };
    }
}

/// The first of the rows that are visible: the selected one is in the middle,
/// where there are enough on both sides.
pub(crate) fn first_visible(n_rows: usize, idx: usize, height: usize) -> usize {
    idx.saturating_sub(height / 2).min(n_rows.saturating_sub(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Letters(Vec<char>);

    impl Rows for Letters {
        type Id = char;

        fn n_rows(&self) -> usize {
            self.0.len()
        }

        fn id_at(&self, idx: usize) -> Option<char> {
            self.0.get(idx).copied()
        }

        fn idx_of(&self, id: &char) -> Option<usize> {
            self.0.iter().position(|letter| letter == id)
        }
    }

    #[test]
    fn rows_that_come_and_go_move_the_row_and_not_the_selection() {
        let mut rows = Letters("abcde".chars().collect());
        let mut cursor = Cursor::following();
        assert_eq!(cursor.id(&rows), Some('e'));
        rows.0.push('f');
        assert_eq!(cursor.id(&rows), Some('f'));
        cursor.go(Motion::Up(1), &rows);
        assert_eq!((cursor.id(&rows), cursor.is_following()), (Some('e'), false));
        rows.0.push('g');
        rows.0.remove(0);
        assert_eq!(cursor.id(&rows), Some('e'));
        cursor.go(Motion::Down(100), &rows);
        assert_eq!((cursor.id(&rows), cursor.is_following()), (Some('g'), false));
        rows.0.push('h');
        assert_eq!(cursor.id(&rows), Some('g'));
        cursor.go(Motion::Bottom, &rows);
        assert_eq!((cursor.id(&rows), cursor.is_following()), (Some('h'), true));
    }

    #[test]
    fn what_is_gone_is_the_oldest_that_is_left() {
        let mut cursor = Cursor::first();
        cursor.select('a');
        assert_eq!(cursor.id(&Letters(vec!['b', 'c'])), Some('b'));
        assert_eq!(cursor.id(&Letters(Vec::new())), None);
        cursor.go(Motion::Down(1), &Letters(Vec::new()));
    }

    #[test]
    fn the_selected_row_is_visible_at_every_height() {
        for n_rows in 1..20 {
            for idx in 0..n_rows {
                for height in 1..25 {
                    let first = first_visible(n_rows, idx, height);
                    assert!((first..first + height).contains(&idx), "{n_rows} {idx} {height}");
                    assert!(first + height <= n_rows || first == 0, "{n_rows} {idx} {height}");
                }
            }
        }
    }
}
