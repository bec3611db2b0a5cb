//! Metrics, logs and traces, made up from the text of the question: the same one is answered alike.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::Novastraxis;
use crate::fields::Fields;
use crate::ids::Seed;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// How many points a series has.
const POINTS: i64 = 12;
/// How far they lie apart when nobody says.
const STEP: i64 = 30;

/// `POST /v2/observability/query`
pub(super) async fn query(
    State(cloud): State<Novastraxis>,
    tenant: Tenant,
    order: Fields,
) -> Result<Json<Value>, Refused> {
    let text = order.required_text("query")?;
    let step = order.text("step")?.map_or(Ok(STEP), seconds)?;
    order.choice("format", &["json"])?;
    time_range(&order)?;
    let (mut seed, end) = (Seed::of(&format!("{} {text}", tenant.0)), cloud.now().seconds());
    let rows_scanned = 1_000_000 + seed.below(20_000_000);
    let logs = text.trim_start().starts_with(['{', '|']);
    let moments = (0..POINTS).rev().map(|back| end - back * step);
    let (kind, data) = if logs {
        ("streams", moments.map(|at| json!({ "at": at, "line": seed.pick(&LINES) })).collect::<Vec<_>>())
    } else {
        let services = ["web", "api", "worker"].iter();
        let series = services.map(|service| {
            let values: Vec<Value> = moments.clone().map(|at| json!([at, number(&mut seed)])).collect();
            json!({ "metric": { "service": service }, "values": values })
        });
        ("matrix", series.collect())
    };
    Ok(Json(json!({ "result_type": kind, "data": data, "stats": { "rows_scanned": rows_scanned } })))
}

const LINES: [&str; 4] =
    ["request served in 12 ms", "cache miss", "connection reused", "retry after a timeout of the upstream"];

fn number(seed: &mut Seed) -> String {
    format!("{}.{:02}", seed.below(4), seed.below(100))
}

fn seconds(text: &str) -> Result<i64, Refused> {
    let wrong = || Refused::invalid("step", "step must be a length such as 30s, 5m or 1h");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return Err(wrong()),
    };
    let number: i64 = text.trim_end_matches(unit).parse().map_err(|_| wrong())?;
    if (1..=86_400).contains(&number) { Ok(number * factor) } else { Err(wrong()) }
}

fn time_range(order: &Fields) -> Result<(), Refused> {
    let wrong = || Refused::invalid("time_range", "time_range must be a length such as 1h, or a start and an end");
    match order.value("time_range") {
        None | Some(Value::String(_)) => Ok(()),
        Some(Value::Object(range)) => {
            let range = Fields::within(range);
            range.required_text("start").and(range.required_text("end")).map(drop).map_err(|_| wrong())
        }
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => Err(wrong()),
    }
}
