//! Spawning on the worker's own thread, for hyper.

use tokio::task::spawn_local;

/// hyper's executor over the LocalSet that is running.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

// === impl LocalExecutor ===

impl<F> hyper::rt::Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        // The LocalSet owns the task and drops it when the worker ends.
        spawn_local(future);
    }
}
