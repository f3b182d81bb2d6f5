//! What a service answers when it cannot do what was asked: one JSON shape for
//! every failure, `{"error": …, "service": …}`, where `service` names whoever
//! failed. Leaves the failures of calls to `call`.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::call::CallError;
use crate::settings::SettingError;

/// The body of a failed answer, as it is sent and as it is read from a peer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailureBody {
    /// What went wrong, in one sentence.
    pub(crate) error: String,
    /// The service that failed.
    pub(crate) service: String,
}

/// A failure that is answered with a status of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The request asks for something that does not exist: 404.
    #[error("{what}")]
    NotFound { service: &'static str, what: String },
    /// The request cannot be understood: 400.
    #[error("{what}")]
    BadRequest { service: &'static str, what: String },
    /// This service is asked to fail now and then: 500.
    #[error("{what}")]
    OnPurpose { service: &'static str, what: String },
    /// A service that is needed did not answer as it should: 502, or 500 where
    /// it could not be called for want of its address.
    #[error(transparent)]
    Call(#[from] CallError),
}

// === impl Failure ===

impl Failure {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Self::OnPurpose { .. } => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Call(CallError::Address { source, .. }) => match source {
                SettingError::Invalid { .. } | SettingError::NoAddress { .. } => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            },
            Self::Call(CallError::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::Call(
                CallError::Unreachable { .. }
                | CallError::TimedOut { .. }
                | CallError::Status { .. }
                | CallError::Grpc { .. }
                | CallError::Body { .. },
            ) => StatusCode::BAD_GATEWAY,
        }
    }

    fn service(&self) -> &'static str {
        match self {
            Self::NotFound { service, .. }
            | Self::BadRequest { service, .. }
            | Self::OnPurpose { service, .. } => service,
            Self::Call(error) => error.service(),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = FailureBody { error: self.to_string(), service: self.service().to_owned() };
        (self.status(), Json(body)).into_response()
    }
}
