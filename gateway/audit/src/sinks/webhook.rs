//! Signing what is sent, by the scheme of Standard Webhooks: the receiver knows who sent it, when, and that nothing of it
//! was changed.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::Timestamp;
use zeroize::Zeroizing;

/// What may stand before a secret.
const PREFIX: &str = "whsec_";

/// How many bytes a secret has, as the scheme says.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What a receiver has in common with the gateway.
#[derive(Clone, Debug)]
pub struct Secret(hmac::Key);

/// A text that is no secret. It does not say which text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret is `whsec_` and 24 to 64 random bytes in Base64")]
pub struct BadSecret;

impl std::str::FromStr for Secret {
    type Err = BadSecret;

    fn from_str(text: &str) -> Result<Self, BadSecret> {
        let text = text.trim().strip_prefix(PREFIX).ok_or(BadSecret)?;
        let bytes = Zeroizing::new(STANDARD.decode(text).map_err(|_| BadSecret)?);
        if !BYTES.contains(&bytes.len()) {
            return Err(BadSecret);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

impl Secret {
    /// The header `webhook-signature` over what is sent under this id, at this time.
    pub fn sign(&self, id: &str, time: Timestamp, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{}.", time.seconds()).as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_the_one_of_the_published_example() {
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n".parse().unwrap();
        let time = Timestamp::from_seconds(1_614_265_330);
        assert_eq!(
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", time, br#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn what_is_no_secret_is_refused_without_being_repeated() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_***"] {
            let refused = text.parse::<Secret>().unwrap_err().to_string();
            assert_eq!(refused, "a secret is `whsec_` and 24 to 64 random bytes in Base64", "{text}");
        }
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        assert!(long.parse::<Secret>().is_err());
    }
}
