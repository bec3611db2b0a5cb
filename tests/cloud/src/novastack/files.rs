//! Files: uploaded as a form, shown, read back, deleted.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::response::{IntoResponse, Response};
use futures::TryStreamExt;
use serde_json::{Value, json};

use super::Novastack;
use crate::blobs::{Blob, NotKept, pieces};
use crate::query::Query;
use crate::refused::{Kind, Refused};
use crate::tenants::Tenant;

/// One file.
#[derive(Clone, Debug)]
pub(super) struct File {
    blob: Arc<Blob>,
    name: String,
    purpose: String,
    created: i64,
}

impl File {
    fn view(&self, id: &str) -> Value {
        json!({
            "id": id,
            "object": "file",
            "bytes": self.blob.size,
            "created_at": self.created,
            "filename": self.name,
            "purpose": self.purpose,
        })
    }
}

/// The most that one file may hold: 512 MiB.
const LARGEST: u64 = 512 << 20;

/// `GET /router/v1/files`
pub(super) async fn list(State(cloud): State<Novastack>, tenant: Tenant, query: Query) -> Result<Json<Value>, Refused> {
    let purpose = query.text("purpose")?;
    let meant = |it: &File| purpose.is_none_or(|purpose| it.purpose == purpose);
    cloud.within(&tenant, |world| world.files.page(&query, meant, |id, file| file.view(id))).map(Json)
}

/// `POST /router/v1/files`
pub(super) async fn upload(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    request: Request,
) -> Result<Json<Value>, Refused> {
    let broken = || Refused::new(Kind::Invalid, "the body is not a whole multipart/form-data form");
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| broken())?;
    let (mut file, mut purpose) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|_| broken())? {
        match field.name() {
            Some("file") => {
                let name = field.file_name().unwrap_or("file").to_owned();
                let bytes = field.map_err(|_| broken());
                file = Some((name, cloud.blobs.keep(bytes, LARGEST).await.map_err(not_kept)?));
            }
            Some("purpose") => purpose = Some(field.text().await.map_err(|_| broken())?),
            Some(_) | None => {}
        }
    }
    let (name, blob) = file.ok_or_else(|| Refused::invalid("file", "file is required"))?;
    let missing = || Refused::invalid("purpose", "purpose is required");
    let purpose = purpose.filter(|it| !it.is_empty()).ok_or_else(missing)?;
    let file = File { blob, name, purpose, created: cloud.now().seconds() };
    Ok(Json(cloud.within(&tenant, |world| {
        let id = format!("file_{}", world.ids.hex(6));
        let view = file.view(&id);
        world.files.put(id, file);
        view
    })))
}

fn not_kept(why: NotKept) -> Refused {
    match why {
        NotKept::CutOff => Refused::new(Kind::Invalid, "the body was cut off"),
        NotKept::TooLarge => Refused::new(Kind::TooLarge, "the file is larger than 512 MiB"),
        NotKept::Disk(fault) => Refused::new(Kind::Fault(500), format!("the disk failed: {fault}")),
    }
}

fn find(cloud: &Novastack, tenant: &Tenant, id: &str) -> Result<File, Refused> {
    let found = cloud.within(tenant, |world| world.files.find(id).cloned());
    found.ok_or_else(|| Refused::not_found("File", id))
}

/// `GET /router/v1/files/{file_id}`
pub(super) async fn get(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    Ok(Json(find(&cloud, &tenant, &id)?.view(&id)))
}

/// `GET /router/v1/files/{file_id}/content`
pub(super) async fn content(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    let file = find(&cloud, &tenant, &id)?;
    let open = file.blob.open().await.map_err(|fault| not_kept(fault.into()))?;
    let headers =
        [("content-type", "application/octet-stream".to_owned()), ("content-length", file.blob.size.to_string())];
    Ok((headers, Body::from_stream(pieces(open, file.blob.size))).into_response())
}

/// `DELETE /router/v1/files/{file_id}`
pub(super) async fn delete(
    State(cloud): State<Novastack>,
    tenant: Tenant,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refused> {
    let gone = cloud.within(&tenant, |world| world.files.take(&id));
    gone.ok_or_else(|| Refused::not_found("File", &id))?;
    Ok(Json(json!({ "id": id, "object": "file", "deleted": true })))
}
