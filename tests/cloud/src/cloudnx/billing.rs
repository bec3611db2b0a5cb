//! What the account owes: twelve invoices, and this month so far.

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use serde_json::{Value, json};

use super::CloudNx;
use crate::ids::Seed;
use crate::paging::Cursor;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// `GET /auth/billing`
pub(super) async fn state(tenant: Tenant) -> Json<Value> {
    let mut seed = seed(&tenant);
    Json(json!({
        "currency": "INR",
        "balance_minor": 0,
        "month_to_date_minor": 10_000 + seed.below(90_000),
        "plan": "pay-as-you-go",
    }))
}

/// `GET /auth/billing/invoices`, the newest first.
pub(super) async fn list(State(cloud): State<CloudNx>, tenant: Tenant, query: Query) -> Result<Json<Value>, Refused> {
    let cursor = Cursor::asked(&query)?;
    let invoices = invoices(&tenant, cloud.now());
    let piece = cursor.piece_down(invoices.into_iter().rev(), |it| it["id"].as_str().unwrap_or_default());
    Ok(Json(json!({ "invoices": piece.items, "next_cursor": piece.next })))
}

/// `GET /auth/billing/invoices/{id}`
pub(super) async fn get(
    State(cloud): State<CloudNx>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let found = invoices(&tenant, cloud.now()).into_iter().find(|it| it["id"] == id.as_str());
    found.map(Json).ok_or_else(|| Refused::not_found("Invoice", &id))
}

/// The twelve months before this one, the oldest first.
fn invoices(tenant: &Tenant, now: Timestamp) -> Vec<Value> {
    let mut seed = seed(tenant);
    let today = now.to_string();
    let mut parts = today.split('-').map(|it| it.parse::<i32>().unwrap_or(1));
    let (year, month) = (parts.next().unwrap_or(1970), parts.next().unwrap_or(1));
    let this = year * 12 + month - 1;
    let mut invoice = |ago: i32| {
        let (year, month) = ((this - ago) / 12, (this - ago) % 12 + 1);
        let (next_year, next_month) = ((this - ago + 1) / 12, (this - ago + 1) % 12 + 1);
        json!({
            "id": format!("inv_{year}_{month:02}"),
            "period": format!("{year}-{month:02}"),
            "amount_minor": 50_000 + seed.below(200_000),
            "currency": "INR",
            "status": if ago == 1 { "open" } else { "paid" },
            "issued_at": format!("{next_year}-{next_month:02}-01T00:00:00Z"),
        })
    };
    (1..=12).rev().map(&mut invoice).collect()
}

fn seed(tenant: &Tenant) -> Seed {
    Seed::of(&format!("cloudnx billing {}", tenant.0))
}
