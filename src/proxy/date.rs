//! The time of an answer, made once a second.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

use http::HeaderValue;

thread_local! {
    static LAST: RefCell<Option<(u64, HeaderValue)>> = const { RefCell::new(None) };
}

/// Now, as `date` has it (RFC 9110 5.6.7).
pub(crate) fn now() -> HeaderValue {
    let now = SystemTime::now();
    let second = now.duration_since(SystemTime::UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs);
    LAST.with_borrow_mut(|last| match last {
        Some((of, value)) if *of == second => value.clone(),
        _ => {
            let value = HeaderValue::from_str(&httpdate::fmt_http_date(now));
            let value = value.expect("a date is a header value");
            last.insert((second, value)).1.clone()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_date_of_http() {
        let now = now();
        let read = httpdate::parse_http_date(now.to_str().unwrap()).unwrap();
        assert!(SystemTime::now().duration_since(read).unwrap() < Duration::from_secs(60), "{now:?}");
    }
}
