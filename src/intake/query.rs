//! Questions in the words of Jaeger and Zipkin.
use crate::reply::Reply;
use crate::serve::Intake;
impl Intake {
    /// Answers a GET; `None` where there is no such path.
    pub(crate) async fn query(&self, _path: &str, _query: &str) -> Option<Reply> {
        None
    }
}
