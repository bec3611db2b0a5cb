//! The object host of `CloudNx`: S3, spoken by `s3s`, over a shelf of our own.
//!
//! `s3s` reads requests, verifies signatures and writes XML. `s3s-fs` is not used for the keeping: it maps keys onto
//! file names, so `a//b` and `a/b` would be one object, and a bad digest would still overwrite what was there.

mod listing;
mod multipart;
mod reading;
pub(crate) mod shelf;
mod store;
mod words;
mod writing;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};

use self::shelf::Shelf;
use self::store::Store;
use crate::gate::{Gate, Shared};
use crate::query::Query;
use crate::refused::Refused;
use crate::surface::{Operation, Served};
use crate::tenants::Tenant;

/// The one key with which the gateway signs what it forwards.
#[derive(Clone)]
pub(crate) struct UpstreamKey {
    /// Its id.
    pub(crate) id: String,
    /// Its secret.
    pub(crate) secret: String,
}

/// The object host, for all tenants.
pub(crate) fn serve(shared: &Arc<Shared>, shelf: &Arc<Shelf>, key: &UpstreamKey) -> Served {
    let mut builder = S3ServiceBuilder::new(Store::new(Arc::clone(shelf)));
    builder.set_auth(SimpleAuth::from_single(key.id.as_str(), key.secret.as_str()));
    let (s3, shared) = (builder.build(), Arc::clone(shared));
    let router = Router::new().fallback(move |request: Request| {
        let operation = operation(&request);
        let gate = Gate { shared: Arc::clone(&shared), api: API, dialect: None, operation };
        let s3 = s3.clone();
        async move { gate.around(request, async move |request| answer(&s3, request).await).await }
    });
    Served { api: API, operations: OPERATIONS.to_vec(), router }
}

const API: &str = "cloudnx-objects";

async fn answer(s3: &S3Service, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let id = parts.headers.get("x-request-id").and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    match Tenant::named_in(&parts) {
        Ok(tenant) => drop(parts.extensions.insert(tenant)),
        Err(refused) => return words::whole(denied(&refused), &path, &id).await,
    }
    let request = Request::from_parts(parts, s3s::Body::http_body_unsync(body));
    match s3.call(request).await {
        Ok(response) => words::whole(response.map(Body::new), &path, &id).await,
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What S3 says to whom it does not know.
pub(crate) fn denied(refused: &Refused) -> Response {
    let body = format!("<Error><Code>AccessDenied</Code><Message>{}</Message></Error>", refused.message);
    (StatusCode::FORBIDDEN, [("content-type", "application/xml")], body).into_response()
}

const fn named(name: &'static str, method: &'static str, path: &'static str) -> Operation {
    Operation { name, method, path }
}

/// What the host answers, spelt as the document spells it: what must be asked for, in the query or a header, follows the `#`.
const OPERATIONS: [Operation; 20] = [
    named("s3ListBuckets", "GET", "/"),
    named("s3ListObjectsV2", "GET", "/{bucket}#list-type"),
    named("s3GetBucketLocation", "GET", "/{bucket}#location"),
    named("s3ListMultipartUploads", "GET", "/{bucket}#uploads"),
    named("s3ListObjects", "GET", "/{bucket}"),
    named("s3CreateBucket", "PUT", "/{bucket}"),
    named("s3HeadBucket", "HEAD", "/{bucket}"),
    named("s3DeleteBucket", "DELETE", "/{bucket}"),
    named("s3DeleteObjects", "POST", "/{bucket}#delete"),
    named("s3ListParts", "GET", "/{bucket}/{key}#uploadId"),
    named("s3GetObject", "GET", "/{bucket}/{key}"),
    named("s3HeadObject", "HEAD", "/{bucket}/{key}"),
    named("s3UploadPartCopy", "PUT", "/{bucket}/{key}#partNumber&uploadId&header:x-amz-copy-source"),
    named("s3UploadPart", "PUT", "/{bucket}/{key}#partNumber&uploadId"),
    named("s3CopyObject", "PUT", "/{bucket}/{key}#header:x-amz-copy-source"),
    named("s3PutObject", "PUT", "/{bucket}/{key}"),
    named("s3AbortMultipartUpload", "DELETE", "/{bucket}/{key}#uploadId"),
    named("s3DeleteObject", "DELETE", "/{bucket}/{key}"),
    named("s3CreateMultipartUpload", "POST", "/{bucket}/{key}#uploads"),
    named("s3CompleteMultipartUpload", "POST", "/{bucket}/{key}#uploadId"),
];

/// The first operation that fits: those with more to ask for stand first.
fn operation<B>(request: &http::Request<B>) -> Option<&'static str> {
    let (path, query) = (request.uri().path(), Query::of(request.uri().query().unwrap_or_default()));
    let place = match path.trim_start_matches('/').split_once('/') {
        _ if path == "/" => "/",
        Some((_, key)) if !key.is_empty() => "/{bucket}/{key}",
        Some(_) | None => "/{bucket}",
    };
    let fits = |it: &&Operation| {
        let (template, wanted) = it.path.split_once('#').unwrap_or((it.path, ""));
        let asked = |name: &str| match name.strip_prefix("header:") {
            Some(header) => request.headers().contains_key(header),
            None => name.is_empty() || query.names(name),
        };
        it.method == request.method().as_str() && template == place && wanted.split('&').all(asked)
    };
    OPERATIONS.iter().find(fits).map(|it| it.name)
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod naming {
    use super::*;

    #[track_caller]
    fn check(method: &str, target: &str, header: &str, name: Option<&str>) {
        let request = http::Request::builder().method(method).uri(target).header(header, "").body(()).unwrap();
        assert_eq!(operation(&request), name, "{method} {target} {header}");
    }

    #[test]
    fn an_operation_is_told_by_its_method_path_and_what_is_asked_for() {
        check("GET", "/", "x", Some("s3ListBuckets"));
        check("GET", "/b?list-type=2&prefix=a", "x", Some("s3ListObjectsV2"));
        check("GET", "/b/?location", "x", Some("s3GetBucketLocation"));
        check("GET", "/b", "x", Some("s3ListObjects"));
        check("GET", "/b/k//l", "x", Some("s3GetObject"));
        check("PUT", "/b/k?partNumber=1&uploadId=x", "x", Some("s3UploadPart"));
        check("PUT", "/b/k?partNumber=1&uploadId=x", "x-amz-copy-source", Some("s3UploadPartCopy"));
        check("PUT", "/b/k", "x", Some("s3PutObject"));
        check("PUT", "/b/k", "x-amz-copy-source", Some("s3CopyObject"));
        check("POST", "/b/k?uploads", "x", Some("s3CreateMultipartUpload"));
        check("POST", "/b/k?uploadId=x", "x", Some("s3CompleteMultipartUpload"));
        check("DELETE", "/b/k?uploadId=x", "x", Some("s3AbortMultipartUpload"));
        check("PATCH", "/b", "x", None);
    }
}
