//! The paths of the API about plans.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use lanboot_core::machine::Mac;
use lanboot_core::machine_plans::{PlanFields, PlanState, Start};

use super::refusal::{Body, Refusal, parse_mac};
use super::views::{NextStart, PlanChangeView, PlanList, PlanSaid, PlanView};
use crate::context::Context;
use crate::machines::PlanRefusal;

/// Most plans of one import.
const MAX_IMPORT: usize = lanboot_core::machine_plans::MAX_PLANS;

/// Shows the plan of a machine, known or not, with the layer each value is from.
pub(super) async fn show(
    State(context): State<Context>,
    Path(mac): Path<String>,
) -> Result<Json<PlanView>, Refusal> {
    let mac = parse_mac(&mac)?;
    Ok(Json(view(&context, mac, None)))
}

/// Sets keys of a plan, or removes those whose value is `null`.
pub(super) async fn set(
    State(context): State<Context>,
    Path(mac): Path<String>,
    body: Body<PlanChangeView>,
) -> Result<Json<PlanView>, Refusal> {
    let (mac, Json(change)) = (parse_mac(&mac)?, body?);
    let changed = context.plans.change(mac, |state| {
        let before = state.set.boot.clone();
        if change.replace {
            state.set = PlanFields::default();
        }
        for (key, value) in &change.keys {
            let set = state.set.set(key, value.as_deref());
            set.map_err(|error| PlanRefusal::Wrong(error.to_string()))?;
        }
        if state.set.boot != before {
            // Another plan is another installation.
            state.installed = None;
        }
        Ok(())
    });
    changed.await?;
    let entry = change.keys.get("boot").cloned().flatten();
    let warning = entry.and_then(|entry| unknown_entry(&context, &entry));
    Ok(Json(view(&context, mac, warning)))
}

/// Forgets what was said about a machine.
pub(super) async fn clear(
    State(context): State<Context>,
    Path(mac): Path<String>,
) -> Result<StatusCode, Refusal> {
    let mac = parse_mac(&mac)?;
    let changed = context.plans.change(mac, |state| {
        *state = PlanState::default();
        Ok(())
    });
    changed.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what the next boot of a machine starts, or takes that back.
pub(super) async fn next(
    State(context): State<Context>,
    Path(mac): Path<String>,
    body: Body<NextStart>,
) -> Result<Json<PlanView>, Refusal> {
    let (mac, Json(next)) = (parse_mac(&mac)?, body?);
    let mut fields = PlanFields::default();
    let set = fields.set("boot", next.boot.as_deref());
    set.map_err(|error| Refusal::new(StatusCode::BAD_REQUEST, error.to_string()))?;
    let changed = context.plans.change(mac, |state| {
        match fields.boot {
            Some(start) => state.start_next(start),
            None => state.next = None,
        }
        Ok(())
    });
    changed.await?;
    let warning = next.boot.and_then(|entry| unknown_entry(&context, &entry));
    Ok(Json(view(&context, mac, warning)))
}

/// Notes that the installation that the plan of a machine names is done.
pub(super) async fn done(
    State(context): State<Context>,
    Path(mac): Path<String>,
) -> Result<Json<PlanView>, Refusal> {
    let mac = parse_mac(&mac)?;
    let plan = context.plans.of(mac, None);
    let entry = plan.install.ok_or_else(|| {
        let text = format!("the plan of {mac} names no installation (boot = install:ENTRY)");
        Refusal::new(StatusCode::CONFLICT, text)
    })?;
    let changed = context.plans.change(mac, |state| {
        state.finish(&entry);
        Ok(())
    });
    changed.await?;
    Ok(Json(view(&context, mac, None)))
}

/// Lists what was said about every machine.
pub(super) async fn export(State(context): State<Context>) -> Json<PlanList> {
    let plans = context.plans.list();
    Json(PlanList {
        plans: plans
            .iter()
            .map(|(mac, state)| PlanSaid::new(*mac, state))
            .collect(),
    })
}

/// Replaces what was said about the machines of a list: all of it, or nothing.
pub(super) async fn import(
    State(context): State<Context>,
    body: Body<PlanList>,
) -> Result<StatusCode, Refusal> {
    let Json(list) = body?;
    let bad = |text: String| Refusal::new(StatusCode::BAD_REQUEST, text);
    if list.plans.len() > MAX_IMPORT {
        return Err(bad(format!(
            "more than {MAX_IMPORT} machines in one import"
        )));
    }
    let mut plans = BTreeMap::new();
    for said in &list.plans {
        let mac = parse_mac(&said.mac)?;
        let state = said
            .state()
            .map_err(|error| bad(format!("{mac}: {error}")))?;
        if plans.insert(mac, state).is_some() {
            return Err(bad(format!("{mac} is there twice")));
        }
    }
    context.plans.import(plans.into_iter().collect()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the plan of a machine as it is now.
fn view(context: &Context, mac: Mac, warning: Option<String>) -> PlanView {
    let (plan, state) = (context.plans.of(mac, None), context.plans.state(mac));
    PlanView::new(mac, &plan, &state, warning)
}

/// Returns the sentence about an entry that is not served now; it may be later.
fn unknown_entry(context: &Context, boot: &str) -> Option<String> {
    let start: Start = boot.parse().unwrap_or_else(|never| match never {});
    let routes = context.routes.load();
    let chosen = routes.menu.boot.planned(&routes.catalog, &start);
    chosen.err().map(|error| error.to_string())
}
