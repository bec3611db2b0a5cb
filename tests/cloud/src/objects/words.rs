//! Errors as S3 words them: `s3s` tells the code, and S3 a message, the resource and the request as well.

use axum::body::{Body, to_bytes};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};

/// No error is longer.
const LONGEST: usize = 64 * 1024;

/// What S3 says of each code that the shelf gives by itself.
const MESSAGES: [(&str, &str); 17] = [
    ("AccessDenied", "Access Denied"),
    ("BadDigest", "The checksum you specified did not match what was received."),
    (
        "BucketAlreadyExists",
        "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Select a \
         different name and try again.",
    ),
    ("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."),
    ("BucketNotEmpty", "The bucket you tried to delete is not empty."),
    ("EntityTooLarge", "Your proposed upload exceeds the maximum allowed object size."),
    ("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed object size."),
    ("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length header."),
    ("InvalidPart", "One or more of the specified parts could not be found."),
    ("InvalidPartOrder", "The list of parts was not in ascending order."),
    ("InvalidRange", "The requested range cannot be satisfied."),
    ("KeyTooLongError", "Your key is too long."),
    ("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema."),
    ("NoSuchBucket", "The specified bucket does not exist."),
    ("NoSuchKey", "The specified key does not exist."),
    ("NoSuchUpload", "The specified multipart upload does not exist."),
    ("PreconditionFailed", "At least one of the preconditions you specified did not hold."),
];

/// The same answer, where it is an error with all that S3 says of one.
pub(super) async fn whole(response: Response<Body>, path: &str, request_id: &str) -> Response<Body> {
    let (mut head, body) = response.into_parts();
    if !(head.status.is_client_error() || head.status.is_server_error()) {
        return Response::from_parts(head, body);
    }
    let Ok(said) = to_bytes(body, LONGEST).await else { return bare(StatusCode::INTERNAL_SERVER_ERROR) };
    let said = String::from_utf8_lossy(&said).into_owned();
    let Some(code) = element(&said, "Code") else { return Response::from_parts(head, Body::from(said)) };
    let usual = MESSAGES.iter().find(|(it, _)| *it == code).map_or(code, |(_, it)| it);
    let message = element(&said, "Message").filter(|it| !it.is_empty()).unwrap_or(usual);
    let path = path.replace('&', "&amp;").replace('<', "&lt;");
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>\
         <Resource>{path}</Resource><RequestId>{request_id}</RequestId></Error>"
    );
    head.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    head.headers.insert(CONTENT_LENGTH, text.len().into());
    Response::from_parts(head, Body::from(text))
}

fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(it, _)| it)
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(status: u16, body: &'static str) -> String {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        let whole = whole(response, "/b/a&<k", "r1").await;
        String::from_utf8(to_bytes(whole.into_body(), LONGEST).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_error_says_what_happened_to_what_and_in_which_request() {
        let rest = "<Resource>/b/a&amp;&lt;k</Resource><RequestId>r1</RequestId></Error>";
        let usual = told(404, "<Error><Code>NoSuchKey</Code></Error>").await;
        assert!(
            usual.contains("<Message>The specified key does not exist.</Message>") && usual.ends_with(rest),
            "{usual}"
        );
        let own = told(400, "<Error><Code>InvalidRequest</Code><Message>changes nothing</Message></Error>").await;
        assert!(own.contains("<Message>changes nothing</Message>") && own.ends_with(rest), "{own}");
        assert_eq!(told(200, "<Code>x</Code>").await, "<Code>x</Code>");
        assert_eq!(told(404, "").await, "", "a head has no words");
    }
}
