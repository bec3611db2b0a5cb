//! What tokens are made for where no key stands behind them: a login, what a user has allowed a client, a client itself.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Methods that prove more than a password does (RFC 8176): a second factor, or a key in hardware or software.
const SECOND: [&str; 4] = ["mfa", "otp", "hwk", "swk"];

/// A grant. It ends with the key record that holds it, and with it every token that names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// What it is.
    pub kind: GrantKind,
    /// The client that acts by it; `None` where its user acts without one.
    pub client: Option<String>,
    /// When its user showed who they are; `None` where no user stands behind it.
    pub authenticated: Option<Timestamp>,
    /// How they did, as `amr` has it (RFC 8176): `pwd`, `otp`, `hwk`.
    pub methods: Vec<String>,
}

/// What a grant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantKind {
    /// A user has logged in.
    Session,
    /// A user lets a client act for them.
    Consent,
    /// A client acts for itself.
    Client,
    /// What runs elsewhere acts for a service account.
    Workload,
}

impl Grant {
    /// Whether its user showed more than a password.
    pub fn is_multi_factor(&self) -> bool {
        self.methods.iter().any(|it| SECOND.contains(&it.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_alone_is_one_factor() {
        let grant = |methods: &[&str]| Grant {
            kind: GrantKind::Session,
            client: None,
            authenticated: Some(Timestamp::from_seconds(7)),
            methods: methods.iter().map(|it| (*it).to_owned()).collect(),
        };
        assert!(!grant(&["pwd"]).is_multi_factor() && !grant(&[]).is_multi_factor());
        assert!(grant(&["pwd", "otp"]).is_multi_factor() && grant(&["hwk"]).is_multi_factor());
    }
}
