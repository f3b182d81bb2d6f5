//! Conversations in the fake runtime: a script's, or silent ones.

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::sync::broadcast;

use crate::container::{ContainerState, PodId, RuntimeEvent};
use crate::interface::ExecError;
use crate::session::{Session, Streams};

/// How a scripted conversation goes; gets the container's name, the command, which is empty
/// where the container itself was attached to, and the streams that are wanted.
pub type SessionScript = Box<dyn Fn(&str, &[String], Streams) -> Result<Session, ExecError> + Send>;

/// A command that says nothing and returns `exit_code` at once.
pub(super) fn silent(exit_code: i32) -> Session {
    with(std::future::ready(exit_code).boxed())
}

/// A container that says nothing until it ends.
pub(super) fn until_the_end(
    events: broadcast::Receiver<RuntimeEvent>,
    pod: &PodId,
    container: &str,
) -> Session {
    with(end_of(events, (pod.clone(), container.to_owned())).boxed())
}

fn with(exit: BoxFuture<'static, i32>) -> Session {
    Session { stdin: None, output: stream::empty().boxed(), size_tx: None, exit, ends_with_stdin: false }
}

async fn end_of(mut events: broadcast::Receiver<RuntimeEvent>, which: (PodId, String)) -> i32 {
    loop {
        let event = events.recv().await.expect("a test makes fewer events than are kept");
        match event.state {
            ContainerState::Terminated { exit_code, .. } if (event.pod, event.container) == which => {
                return exit_code;
            }
            ContainerState::Terminated { .. }
            | ContainerState::Waiting { .. }
            | ContainerState::Running { .. } => {}
        }
    }
}
