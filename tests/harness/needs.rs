//! Tests that need something: where it is absent they are ignored and say why, and fail where
//! `SPUR_REQUIRE` lists what they need.

use std::future::Future;

use libtest_mimic::Trial;

/// Something that not every machine has.
pub(crate) struct Need {
    /// What `SPUR_REQUIRE` calls it.
    name: &'static str,
    /// Why it cannot be had; `None` where it can.
    absent: Option<String>,
}

// === impl Need ===

impl Need {
    pub(crate) fn new(name: &'static str, absent: Option<String>) -> Self {
        Self { name, absent }
    }

    /// A test that needs it.
    pub(crate) fn trial<F>(&self, name: &str, test: impl FnOnce() -> F + Send + 'static) -> Trial
    where
        F: Future<Output = ()>,
    {
        match &self.absent {
            None => Trial::test(name, || {
                run(test());
                Ok(())
            }),
            Some(why) if self.is_required() => {
                let why = format!("SPUR_REQUIRE asks for {}, and {why}", self.name);
                Trial::test(name, move || Err(why.into()))
            }
            Some(why) => Trial::test(format!("{name} (ignored: {why})"), || Ok(())).with_ignored_flag(true),
        }
    }

    fn is_required(&self) -> bool {
        std::env::var("SPUR_REQUIRE").is_ok_and(|needs| needs.split(',').any(|need| need == self.name))
    }
}

fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test);
}
