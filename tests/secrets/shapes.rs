//! Every kind of credential that the five APIs know, and some that are nobody's.

use acceptance::{Key, World};

pub(crate) const NSX: &str = "api.novastraxis.com";
pub(crate) const NEXUS: &str = "api.cloudnexus.io";
pub(crate) const NX: &str = "cloudnx.in";
pub(crate) const NOVA: &str = "api.novapai.ai";

/// Each API: its name, a host and a path of it, and a scope that opens that path.
pub(crate) const APIS: [(&str, &str, &str, &str); 5] = [
    ("novastraxis", NSX, "/v2/compute/instances", "compute"),
    ("cloudnexus", NEXUS, "/v2/instances", "instances:read"),
    ("cloudnexus-servers", NEXUS, "/v2/servers", "servers:read"),
    ("cloudnx", NX, "/compute/instances", "compute:read"),
    ("novastack", NOVA, "/router/v1/models", "read"),
];

/// What is as nobody's as any credential can be: its kind, its text, and whether its form tells it from a name.
const MADE_UP: [(&str, &str, bool); 14] = [
    ("a key that nobody has", "nsx_live_canary4711canary4711canary4711", true),
    ("a key that was made elsewhere", "nx_live_sk_canaryOfOldTimes4711", true),
    ("an access token", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJjYW5hcnktNDcxMSJ9.Y2FuYXJ5LXNpZ25hdHVyZS00NzEx", true),
    ("a session", "eyJhbGciOiJFZERTQSJ9.eyJzaWQiOiJjYW5hcnktNDcxMSJ9.Y2FuYXJ5LXNlc3Npb24tNDcxMQ", true),
    ("the secret of a webhook", "whsec_Y2FuYXJ5LXdlYmhvb2stNDcxMQ", true),
    ("a private key", "-----BEGIN PRIVATE KEY-----MIICanary4711MIICanary4711", true),
    ("a session that renews another", "canaryRenewal4711QnJpZ2h0ZXI0NzExY2FuYXJ5", false),
    ("the secret of an OAuth client", "canary-client-secret-4711-4711", false),
    ("a refresh token", "canary-refresh-token-4711-4711", false),
    ("a password", "canary-password-4711", false),
    ("the secret of an access key elsewhere", "cNrYXUtnFEMI/K7MDENG/bPxRfiCYEXCANARY47", false),
    ("a signature", "ca4a5e1dca4a5e1dca4a5e1dca4a5e1dca4a5e1dca4a5e1dca4a5e1dca4a5e1d", false),
    ("a presigned signature", "4711ca4a4711ca4a4711ca4a4711ca4a4711ca4a4711ca4a4711ca4a4711ca4a", false),
    ("a key against doing things twice", "canary-once-4711-4711-4711", false),
];

/// One credential.
pub(crate) struct Shape {
    pub(crate) name: String,
    pub(crate) text: String,
    /// Whether its form tells it from a name. What has none cannot be known where names belong.
    pub(crate) marked: bool,
}

impl Shape {
    fn of(name: impl Into<String>, text: &str, marked: bool) -> Self {
        Self { name: name.into(), text: text.to_owned(), marked }
    }

    /// Every spelling by which it could be found again.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let basic = [base64(format!("client:{}", self.text).as_bytes()), base64(format!(":{}", self.text).as_bytes())];
        let mut spellings = vec![self.text.clone(), percent(&self.text), self.text.replace('_', "%5F")];
        spellings.extend(basic.map(|it| it.trim_end_matches('=').to_owned()));
        spellings.sort();
        spellings.dedup();
        spellings
    }
}

/// A key of each API that works, in the order of [`APIS`].
pub(crate) fn keys(world: &World) -> Vec<Key> {
    APIS.iter().map(|(api, _, _, scope)| world.key(api, &[scope])).collect()
}

/// All of them.
pub(crate) fn shapes(keys: &[Key]) -> Vec<Shape> {
    let mut shapes: Vec<Shape> = MADE_UP.iter().map(|(name, text, marked)| Shape::of(*name, text, *marked)).collect();
    for ((api, ..), key) in APIS.iter().zip(keys) {
        match &key.secret {
            Some(secret) => shapes.push(Shape::of(format!("the secret of an access key of {api}"), secret, false)),
            None => shapes.push(Shape::of(format!("a key of {api}"), &key.text, true)),
        }
    }
    shapes
}

/// With everything spelled out that is no letter or digit.
pub(crate) fn percent(text: &str) -> String {
    text.bytes()
        .map(|it| match it {
            b'-' | b'.' | b'_' => char::from(it).to_string(),
            _ if it.is_ascii_alphanumeric() => char::from(it).to_string(),
            _ => format!("%{it:02X}"),
        })
        .collect()
}

pub(crate) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |so_far, it| so_far << 8 | u32::from(*it)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}
