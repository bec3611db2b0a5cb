//! Everywhere that somebody might put a credential.

use acceptance::{Request, World};
use serde_json::json;

use crate::shapes::{NEXUS, NSX, NX, Shape, base64, percent};

/// Headers and parameters that the gateway hands on as they are: what somebody writes there is for the API behind.
pub(crate) const HANDED_ON: [&str; 9] = [
    "accept-encoding",
    "cookie",
    "idempotency-key",
    "range",
    "referer",
    "user-agent",
    "x-api-key",
    "x-cloudnexus-id",
    "x-note",
];

/// Requests that show it, in good places and in bad ones; `own` is the key of a caller who may ask.
pub(crate) fn requests(shape: &Shape, (host, path): (&str, &str), own: &str) -> Vec<Request> {
    let secret = shape.text.as_str();
    let shown = format!("Bearer {secret}");
    let get = || Request::get(host, path);
    let mut requests = vec![
        get().header("Authorization", &shown),
        get().header("Authorization", &shown).plain(),
        get().header("Authorization", &shown).header("Authorization", &shown),
        get().header("Authorization", &format!("Basic {secret}")),
        get().header("Authorization", &format!("Basic {}", base64(format!("client:{secret}").as_bytes()))),
        get().header("Authorization", secret),
        get().header("Authorization", &format!("{shown}, {shown}")),
        get().header("Authorization", &signed("AKIDCANARYCANARY4711", secret)),
        get().header("Authorization", &signed(secret, &"0".repeat(64))),
        get().header("Authorization", &signed_over(secret)).header("X-Amz-Date", "20260101T000000Z"),
        get().header("Authorization", &signed_over("x-a")).header(&format!("X-Amz-Meta-{secret}"), "1"),
        get().header("Proxy-Authorization", &shown).bearer(own),
        get().header("X-Api-Key", secret),
        get().header("X-Api-Key", secret).bearer(own),
        get().header("X-Amz-Security-Token", secret).bearer(own),
        get().header("Cookie", &format!("cnx_access={secret}")),
        get().header("Cookie", &format!("a=1; cnx_refresh={secret}; cnx_access={secret}")),
        get().header("Cookie", &format!("session={secret}")).bearer(own),
        get().header("traceparent", secret).header("tracestate", &format!("a={secret}")).bearer(own),
        get().header("traceparent", &format!("00-{secret}-01")).header("X-Request-Id", secret).bearer(own),
        get().header("X-Forwarded-For", secret).header("Forwarded", &format!("for={secret}")).bearer(own),
        get().header("Idempotency-Key", secret).header("User-Agent", secret).bearer(own),
        get().header("Referer", &format!("https://x/?access_token={secret}")).header("X-Note", secret).bearer(own),
        get().header("X-Pad", &"a".repeat(70_000)).header("Authorization", &shown),
        get().header("Connection", &format!("close, {secret}")).bearer(own),
        get().header("Accept-Encoding", secret).header("Range", secret).bearer(own),
        get().header("X-Portcullis-Tenant", secret).header("X-CloudNexus-Id", secret).bearer(own),
    ];
    let spelled = percent(secret);
    for query in ["api_key", "access_token", "note", "X-Amz-Signature", "X-Amz-Credential", "x-amz-security-token"] {
        requests.push(Request::get(host, &format!("{path}?{query}={spelled}")).bearer(own));
        requests.push(Request::get(host, &format!("{path}?a=1&{query}={spelled}")));
    }
    requests.push(Request::get(host, &format!("http://{spelled}@{host}{path}")).bearer(own));
    requests.push(Request::get(host, &format!("https://user:{spelled}@{host}{path}")));
    requests.extend(bodies(secret, (host, path), own));
    if shape.marked {
        requests.extend(named(secret, (host, path), own));
    }
    requests
}

fn signed(key: &str, signature: &str) -> String {
    let scope = format!("Credential={key}/20261122/in-mum/cloudnx/aws4_request, SignedHeaders=host;x-amz-date");
    format!("AWS4-HMAC-SHA256 {scope}, Signature={signature}")
}

fn signed_over(name: &str) -> String {
    let scope = "Credential=AKIDCANARYCANARY4711/20260101/in-mum/cloudnx/aws4_request";
    format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host;{name};x-amz-date, Signature={}", "0".repeat(64))
}

/// In bodies, good and broken, of operations that take one and of those that do not.
fn bodies(secret: &str, (host, path): (&str, &str), own: &str) -> Vec<Request> {
    let post = |path: &str| Request::post(host, path);
    let form = format!("grant_type=client_credentials&client_id=a&client_secret={secret}&refresh_token={secret}");
    let part = format!("--x\r\nContent-Disposition: form-data; name=\"{secret}\"\r\n\r\n{secret}\r\n--x--\r\n");
    let trailers = format!("5\r\n[1,2]\r\n0\r\nAuthorization: Bearer {secret}\r\nX-Note: {secret}\r\n\r\n");
    let login = json!({ "email": "canary@example.com", "password": secret });
    let token = || Request::post(NSX, "/oauth/token").body("application/x-www-form-urlencoded", form.as_str());
    vec![
        post(path).json(&json!({ "name": secret, secret: [secret] })).bearer(own),
        post(path).json(&json!({ "password": secret })),
        post(path).body("application/json", format!("{{\"{secret}")).bearer(own),
        post(path).body("application/x-www-form-urlencoded", form.as_str()).bearer(own),
        post(path).body("multipart/form-data; boundary=x", part).bearer(own),
        post(path).body(secret, "{}").bearer(own),
        post(path).header("Transfer-Encoding", "chunked").body("application/json", trailers).bearer(own),
        token(),
        token().header("Authorization", &format!("Basic {}", base64(format!("client:{secret}").as_bytes()))),
        Request::post(NX, "/auth/login").json(&login),
        Request::post(NX, "/auth/refresh").header("Cookie", &format!("cnx_refresh={secret}")),
        Request::post(NX, "/auth/iam/exchange-credentials").json(&json!({ "secret_access_key": secret })),
        Request::post(NX, "/auth/iam/exchange-credentials")
            .json(&json!({ "access_key_id": secret, "secret_access_key": secret })),
        Request::post(NEXUS, "/v2/webhooks").json(&json!({ "url": format!("https://x/{secret}"), "secret": secret })),
    ]
}

/// Where names belong.
fn named(secret: &str, (host, path): (&str, &str), own: &str) -> Vec<Request> {
    let spelled = percent(secret);
    let is_host = secret.bytes().all(|it| it.is_ascii_alphanumeric() || b"-._".contains(&it));
    let mut named = vec![
        Request::get(host, &format!("/nothing/{spelled}")),
        Request::get(host, &format!("/nothing/{spelled}")).bearer(own),
        Request::get(host, &format!("/nothing/{}", spelled.replace('_', "%5F"))),
        Request::get(host, &format!("{path}/{spelled}")).bearer(own),
        Request::delete(host, &format!("{path}/{spelled}/x")),
        Request::get(host, &format!("/../{spelled}/%00")),
        Request::get(host, &spelled),
        Request::get(host, path).header("Host", &spelled),
    ];
    if is_host {
        named.push(Request::get(host, path).header("Host", secret));
        named.push(Request::get(host, &format!("http://{secret}{path}")).header("Host", secret));
        named.push(Request::new(secret, host, path));
    }
    named
}

/// Heads that are no HTTP.
pub(crate) fn broken(shape: &Shape, host: &str) -> Vec<Vec<u8>> {
    let (secret, spelled) = (&shape.text, percent(&shape.text));
    let mut heads = vec![
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {secret}\r\nbroken\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\n{spelled} x: 1\r\n\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {host}\r\nHost: {secret}\r\n\r\n"),
    ];
    if shape.marked {
        heads.push(format!("GET /{spelled} HTTP/1.1\r\nHost: {host}\r\nbroken {secret}\r\n\r\n"));
        heads.push(format!("GET http://u:{spelled}@{host}/ HTTP/1.1\r\nbroken\r\n\r\n"));
    }
    heads.into_iter().map(String::into_bytes).collect()
}

/// Words of curl that show it over HTTP/2.
pub(crate) fn curled(shape: &Shape, (host, path): (&str, &str)) -> Vec<Vec<String>> {
    let (secret, url) = (&shape.text, format!("https://{host}{path}"));
    let words = |words: &[&str]| words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
    let mut all = vec![
        words(&["-H", &format!("Authorization: Bearer {secret}"), &url]),
        words(&["-H", &format!("X-Api-Key: {secret}"), "-H", &format!("Cookie: cnx_access={secret}"), &url]),
        words(&["-u", &format!("client:{secret}"), &format!("{url}?api_key={}", percent(secret))]),
        words(&["-d", &format!("client_secret={secret}"), "-H", &format!("traceparent: {secret}"), &url]),
    ];
    if shape.marked {
        all.push(words(&[&format!("https://{host}/nothing/{}", percent(secret))]));
    }
    all
}

/// Runs curl against the secure door. Whatever it is answered will do.
#[track_caller]
pub(crate) fn curl(world: &World, host: &str, words: &[String]) -> String {
    let port = world.gateway.door().https.port();
    let done = std::process::Command::new("curl")
        .args(["--silent", "--include", "--http2", "--path-as-is", "--max-time", "20", "--cacert"])
        .arg(world.gateway.authority())
        .args(["--connect-to", &format!("{host}:443:127.0.0.1:{port}")])
        .args(words)
        .output()
        .expect("curl is installed");
    String::from_utf8_lossy(&done.stdout).into_owned()
}
