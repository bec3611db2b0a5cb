//! Novastack: a model router that speaks `OpenAI`'s API, over a model that says again what it was told.

mod answer;
mod chat;
mod files;
mod models;
mod pile;
mod stream;
mod tasks;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use domain::Timestamp;
use serde_json::{Value, json};

use self::pile::Pile;
use crate::blobs::Blobs;
use crate::dialect::Dialect;
use crate::gate::Shared;
use crate::ids::{Ids, Seed};
use crate::surface::{Served, Surface};
use crate::tenants::{Seeded, Tenant, Worlds};

/// The API, for all tenants.
pub(crate) fn serve(shared: &Arc<Shared>, blobs: &Arc<Blobs>) -> Served {
    let state = Novastack { shared: Arc::clone(shared), blobs: Arc::clone(blobs), worlds: Arc::default() };
    Surface::new("novastack", Dialect::Novastack, shared)
        .on("listModels", "GET", "/router/v1/models", models::list)
        .on("getModel", "GET", "/router/v1/models/{*model}", models::get)
        .on("getAccount", "GET", "/router/v1/account", account)
        .on("createChatCompletion", "POST", "/router/v1/chat/completions", chat::complete)
        .on("listTasks", "GET", "/router/v1/tasks", tasks::list)
        .on("createTask", "POST", "/router/v1/tasks", tasks::create)
        .on("getTask", "GET", "/router/v1/tasks/{id}", tasks::get)
        .on("deleteTask", "DELETE", "/router/v1/tasks/{id}", tasks::delete)
        .on("listFiles", "GET", "/router/v1/files", files::list)
        .on("uploadFile", "POST", "/router/v1/files", files::upload)
        .on("getFile", "GET", "/router/v1/files/{id}", files::get)
        .on("deleteFile", "DELETE", "/router/v1/files/{id}", files::delete)
        .on("getFileContent", "GET", "/router/v1/files/{id}/content", files::content)
        .with(state)
}

/// What the handlers share.
#[derive(Clone)]
struct Novastack {
    shared: Arc<Shared>,
    blobs: Arc<Blobs>,
    worlds: Arc<Worlds<World>>,
}

impl Novastack {
    fn now(&self) -> Timestamp {
        self.shared.clock.now().wall
    }

    fn within<T>(&self, tenant: &Tenant, deed: impl FnOnce(&mut World) -> T) -> T {
        self.worlds.within(tenant, self.now(), deed)
    }
}

/// What one tenant owns.
struct World {
    ids: Ids,
    account: Value,
    tasks: Pile<tasks::Task>,
    files: Pile<files::File>,
}

impl Seeded for World {
    fn seeded(tenant: &Tenant, now: Timestamp) -> Self {
        let text = format!("novastack {}", tenant.0);
        let (mut seed, mut ids) = (Seed::of(&text), Ids::of(&text));
        let opened = now - seed.days(30..=329);
        let account = json!({
            "id": format!("acct_{}", ids.hex(4)),
            "object": "account",
            "level": "level-1",
            "created": opened.seconds(),
        });
        let mut old = Pile::default();
        for ago in (1..=24_u32).rev() {
            let subject = seed.pick(&["A lighthouse at dusk", "A harbour in fog", "A street after rain"]);
            let started = now - Duration::from_hours(2) * ago;
            old.put(format!("task_{}", ids.hex(6)), tasks::Task::new("nova-image", json!(subject), started));
        }
        Self { ids, account, tasks: old, files: Pile::default() }
    }
}

async fn account(State(cloud): State<Novastack>, tenant: Tenant) -> Json<Value> {
    Json(cloud.within(&tenant, |world| world.account.clone()))
}

#[cfg(test)]
mod tests;
