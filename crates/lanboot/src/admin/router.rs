//! The paths of the API. The router is the same on every listener.

use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use lanboot_core::machine::Mac;

use super::plan_paths;
use super::refusal::{Refusal, parse_mac};
use super::views::{MachineList, MachineView};
use crate::context::Context;

/// Largest body of a request, in bytes: an import of all machines that are kept, with their arguments.
const MAX_BODY: usize = 32 << 20;

/// Makes the router.
pub fn router(context: Context) -> Router {
    let plan = get(plan_paths::show)
        .patch(plan_paths::set)
        .delete(plan_paths::clear);
    Router::new()
        .route("/api/v1/machines", get(list))
        .route("/api/v1/machines/{mac}", get(show).delete(forget))
        .route("/api/v1/machines/{mac}/plan", plan)
        .route("/api/v1/machines/{mac}/next", post(plan_paths::next))
        .route("/api/v1/machines/{mac}/done", post(plan_paths::done))
        .route(
            "/api/v1/plans",
            get(plan_paths::export).post(plan_paths::import),
        )
        .fallback(async || Refusal::new(StatusCode::NOT_FOUND, "there is no such path"))
        .method_not_allowed_fallback(async || {
            let status = StatusCode::METHOD_NOT_ALLOWED;
            Refusal::new(status, "this path does not take that method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(context)
}

async fn list(State(context): State<Context>) -> Json<MachineList> {
    let machines = context.plans.machines().list();
    Json(MachineList {
        machines: machines.iter().map(MachineView::from).collect(),
    })
}

async fn show(
    State(context): State<Context>,
    Path(mac): Path<String>,
) -> Result<Json<MachineView>, Refusal> {
    let mac = parse_mac(&mac)?;
    let machine = context.plans.machines().get(mac);
    let machine = machine.ok_or_else(|| unknown(mac))?;
    Ok(Json(MachineView::from(&machine)))
}

async fn forget(
    State(context): State<Context>,
    Path(mac): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mac = parse_mac(&mac)?;
    let was_known = context.plans.machines().forget(mac);
    was_known
        .then_some(StatusCode::NO_CONTENT)
        .ok_or_else(|| unknown(mac))
}

fn unknown(mac: Mac) -> Refusal {
    let error =
        format!("no machine {mac} has asked to boot; lanboot machine list shows those that have");
    Refusal::new(StatusCode::NOT_FOUND, error)
}
