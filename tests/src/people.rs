//! People who sign in, and what they carry with them.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};

use crate::World;

/// Somebody who can sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// The id, `usr_...`.
    pub id: String,
    /// By what they sign in: an address.
    pub name: String,
    /// The password.
    pub password: String,
}

impl World {
    /// Makes somebody known who has this role in a tenant.
    #[track_caller]
    pub fn user(&self, name: &str, tenant: &str, role: &str) -> User {
        let (name, role) = (format!("{name}@example.com"), format!("{tenant}={role}"));
        let made = self.gateway.json(&["users", "create", "--name", &name, "--role", &role]);
        let text = |field: &str| made[field].as_str().expect("a text").to_owned();
        User { id: text("id"), name: text("name"), password: text("password") }
    }
}

/// What makes codes by the clock (RFC 6238).
#[derive(Debug)]
pub struct Authenticator(Vec<u8>);

impl Authenticator {
    /// With this secret, in Base32.
    pub fn of(secret: &str) -> Self {
        let digit = |it: u8| if it.is_ascii_digit() { it - b'2' + 26 } else { it - b'A' };
        let bits: Vec<u8> = secret.bytes().flat_map(|it| (0..5).rev().map(move |bit| digit(it) >> bit & 1)).collect();
        Self(bits.chunks_exact(8).map(|it| it.iter().fold(0, |byte, bit| byte << 1 | bit)).collect())
    }

    /// The code of so many half minutes from now.
    #[expect(clippy::disallowed_methods, reason = "an authenticator has no clock but the machine's")]
    pub fn code(&self, ahead: u64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let mac = sign(&Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.0), &(now / 30 + ahead).to_be_bytes());
        let from = usize::from(mac.as_ref()[19] & 15);
        let bytes = mac.as_ref()[from..from + 4].try_into().expect("four bytes");
        format!("{:06}", (u32::from_be_bytes(bytes) & 0x7fff_ffff) % 1_000_000)
    }
}
