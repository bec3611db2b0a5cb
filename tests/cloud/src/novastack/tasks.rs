//! Tasks: `queued`, then `running`, then `succeeded`.

use axum::Json;
use axum::extract::{Path, State};
use domain::Timestamp;
use serde_json::{Value, json};

use super::{Novastack, models};
use crate::fields::{Fields, fields};
use crate::ids::Seed;
use crate::pace::Pace;
use crate::query::Query;
use crate::refused::Refused;
use crate::tenants::Tenant;

/// One task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    model: String,
    input: Value,
    started: Timestamp,
}

impl Task {
    pub(super) fn new(model: &str, input: Value, started: Timestamp) -> Self {
        Self { model: model.to_owned(), input, started }
    }

    fn view(&self, id: &str, pace: Pace, now: Timestamp) -> Value {
        let (runs, done) = (self.started + pace.working, self.started + pace.working * 2);
        let status = if done <= now {
            "succeeded"
        } else if runs <= now {
            "running"
        } else {
            "queued"
        };
        let mut view = fields(json!({
            "id": id,
            "object": "task",
            "model": self.model,
            "status": status,
            "created": self.started.seconds(),
        }));
        if status == "succeeded" {
            let digest = Seed::of(&self.input.to_string()).number();
            view.insert("output".to_owned(), json!({ "echo": self.input, "digest": format!("{digest:016x}") }));
        }
        Value::Object(view)
    }
}

/// `GET /router/v1/tasks`
pub(super) async fn list(State(cloud): State<Novastack>, tenant: Tenant, query: Query) -> Result<Json<Value>, Refused> {
    let (pace, now) = (cloud.shared.pace, cloud.now());
    cloud.within(&tenant, |world| world.tasks.page(&query, |_| true, |id, task| task.view(id, pace, now))).map(Json)
}

/// `POST /router/v1/tasks`
pub(super) async fn create(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    order: Fields,
) -> Result<Json<Value>, Refused> {
    let model = order.required_text("model")?;
    let input = order.value("input").ok_or_else(|| Refused::invalid("input", "input is required"))?;
    order.object("metadata")?;
    models::known(model)?;
    let (pace, now) = (cloud.shared.pace, cloud.now());
    let task = Task::new(model, input.clone(), now);
    Ok(Json(cloud.within(&tenant, |world| {
        let id = format!("task_{}", world.ids.hex(6));
        let view = task.view(&id, pace, now);
        world.tasks.put(id, task);
        view
    })))
}

/// `GET /router/v1/tasks/{task_id}`
pub(super) async fn get(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let task = cloud.within(&tenant, |world| world.tasks.find(&id).cloned());
    let task = task.ok_or_else(|| Refused::not_found("Task", &id))?;
    Ok(Json(task.view(&id, cloud.shared.pace, cloud.now())))
}

/// `DELETE /router/v1/tasks/{task_id}`
pub(super) async fn delete(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let gone = cloud.within(&tenant, |world| world.tasks.take(&id));
    gone.ok_or_else(|| Refused::not_found("Task", &id))?;
    Ok(Json(json!({ "id": id, "object": "task", "deleted": true })))
}
