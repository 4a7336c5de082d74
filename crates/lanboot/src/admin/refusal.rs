//! Requests that are not carried out.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lanboot_core::machine::Mac;
use lanboot_core::text;

use super::views::ErrorBody;
use crate::machines::PlanRefusal;

/// The body of a request, or why it is not understood.
pub(super) type Body<T> = Result<Json<T>, JsonRejection>;

/// A request that is not carried out.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    /// Makes one with a status and a sentence.
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { status, error }
    }
}

impl From<PlanRefusal> for Refusal {
    fn from(refusal: PlanRefusal) -> Self {
        let status = match &refusal {
            PlanRefusal::Wrong(_) => StatusCode::BAD_REQUEST,
            PlanRefusal::TooMany(_) => StatusCode::CONFLICT,
            PlanRefusal::NotKept(_) => StatusCode::INSUFFICIENT_STORAGE,
        };
        Self::new(status, refusal.to_string())
    }
}

impl From<JsonRejection> for Refusal {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), text::lines(&rejection.body_text()))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        (status, Json(ErrorBody { error })).into_response()
    }
}

/// Parses the hardware address in a path.
///
/// # Errors
/// It is none.
pub(super) fn parse_mac(mac: &str) -> Result<Mac, Refusal> {
    let parsed: Result<Mac, _> = mac.parse();
    parsed.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, text::lines(&error.to_string())))
}
