//! Panics that are caught: redb panics on some pages that make no sense, and that is damage to be
//! reported and no fault of the process.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};

thread_local! {
    /// Whether this thread is within [`guarded`].
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs something that may meet a damaged page, and gives what a panic in it said. The caller has
/// to leave nothing half-changed behind it.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let was_guarded = IS_GUARDED.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    IS_GUARDED.set(was_guarded);
    outcome.map_err(|panic| text(&*panic))
}

/// Keeps the process' panic hook from telling of panics that this crate catches: they come back as
/// errors that name the file. For a binary, once, before it opens a store.
pub fn quiet_caught_panics() {
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !IS_GUARDED.get() {
            tell(info);
        }
    }));
}

fn text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a page makes no sense ({})", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_it_said_and_the_guard_ends_with_it() {
        assert_eq!(guarded(|| 7), Ok(7));
        let nested = guarded(|| {
            let inner: Result<(), _> = guarded(|| panic!("inner {}", 1));
            assert_eq!(inner.unwrap_err(), "a page makes no sense (inner 1)");
            assert!(IS_GUARDED.get(), "the outer one goes on");
            panic!("outer")
        });
        let _: () = nested.map_err(|text| assert_eq!(text, "a page makes no sense (outer)")).unwrap_or(());
        assert!(!IS_GUARDED.get());
    }
}
