//! The paths of the API. The router is the same on every listener.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use lanboot_core::machine::Mac;
use lanboot_core::text;

use super::views::{ErrorBody, MachineList, MachineView};
use crate::machines::MachineTable;

/// Makes the router.
pub fn router(machines: MachineTable) -> Router {
    Router::new()
        .route("/api/v1/machines", get(list))
        .route("/api/v1/machines/{mac}", get(show).delete(forget))
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async || {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Refusal::new(status, "this path does not take that method")
        })
        .with_state(machines)
}

async fn list(State(machines): State<MachineTable>) -> Json<MachineList> {
    let machines = machines.list();
    Json(MachineList {
        machines: machines.iter().map(MachineView::from).collect(),
    })
}

async fn show(
    State(machines): State<MachineTable>,
    Path(mac): Path<String>,
) -> Result<Json<MachineView>, Refusal> {
    let mac = parse(&mac)?;
    let machine = machines.get(mac).ok_or_else(|| unknown(mac))?;
    Ok(Json(MachineView::from(&machine)))
}

async fn forget(
    State(machines): State<MachineTable>,
    Path(mac): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mac = parse(&mac)?;
    let was_known = machines.forget(mac);
    was_known
        .then_some(StatusCode::NO_CONTENT)
        .ok_or_else(|| unknown(mac))
}

fn parse(mac: &str) -> Result<Mac, Refusal> {
    let parsed: Result<Mac, _> = mac.parse();
    parsed.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, text::lines(&error.to_string())))
}

fn unknown(mac: Mac) -> Refusal {
    let error =
        format!("no machine {mac} has asked to boot; lanboot machine list shows those that have");
    Refusal::new(StatusCode::NOT_FOUND, error)
}

/// A request that is not carried out.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        Self { status, error }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self { status, error } = self;
        (status, Json(ErrorBody { error })).into_response()
    }
}
