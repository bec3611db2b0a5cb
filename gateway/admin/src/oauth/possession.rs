//! The key that a client proves to hold with its request (RFC 9449), for its tokens to be bound to.

use authn::Sight;
use authn::dpop::{self, Asked, BadProof, PROOF};
use domain::Declined;
use identity::Client;

use super::{Act, Code, Fault, Turned};

impl Act<'_> {
    /// The thumbprint of the key of a client, if it proves that it holds one. Some must.
    pub(super) fn possession(&self, client: &Client) -> Result<Option<String>, Turned> {
        let shown = self.question.headers.contains_key(PROOF);
        if shown {
            return Ok(Some(self.possessed(None)?));
        }
        let missing = Fault::new(Code::InvalidDpopProof, "this client must prove that it holds a key");
        if client.proves_possession { Err(missing.into()) } else { Ok(None) }
    }

    /// The thumbprint of the key of whoever asks this very operation, with this token where one is shown.
    pub(super) fn possessed(&self, token: Option<&str>) -> Result<String, Turned> {
        let question = self.question;
        let place = self.place(question.introduction.verb).and_then(|it| it.strip_prefix("https://"));
        let place = place.ok_or(Declined::Failed)?;
        let (host, path) = place.split_at(place.find('/').unwrap_or(place.len()));
        let asked = Asked { method: &question.method, host, path, token };
        let now = self.books().clock().now();
        let refused = |why: BadProof| {
            tracing::debug!(%why, "a proof of possession does not hold");
            Fault::new(Code::InvalidDpopProof, "the DPoP proof is missing or not good for this request")
        };
        let proof = dpop::prove(&question.headers, &asked, now.wall).map_err(refused)?;
        if !self.books().nonces().holds(proof.once.nonce.as_deref(), now.wall) {
            return Err(Fault::new(Code::UseDpopNonce, "the DPoP proof must repeat the nonce of DPoP-Nonce").into());
        }
        match self.books().proofs().see(proof.once.mark, now.tick) {
            Sight::First => Ok(proof.thumbprint),
            Sight::Resent | Sight::Repeated => Err(refused(BadProof::Replayed).into()),
            Sight::Full => Err(Declined::Busy.into()),
        }
    }
}
