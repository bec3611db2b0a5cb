//! Where the next page begins: a text that fits one question of one tenant and no other.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

/// How much of the digest of a question goes into a cursor.
const BOUND: usize = 16;

/// The cursor that goes on with entries before `seq`. It holds no secret and needs none: whoever makes one up sees what
/// they may see anyway, from another place on.
pub(crate) fn cursor(asked: &impl Serialize, seq: u64) -> String {
    let place = seq.to_be_bytes();
    URL_SAFE_NO_PAD.encode([&place[..], &fingerprint(asked, place)].concat())
}

/// Where a cursor goes on; nothing where it was not given out for this question.
pub(crate) fn place(asked: &impl Serialize, cursor: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (place, bound) = bytes.split_first_chunk::<8>()?;
    (fingerprint(asked, *place) == bound).then(|| u64::from_be_bytes(*place))
}

fn fingerprint(asked: &impl Serialize, place: [u8; 8]) -> Vec<u8> {
    let mut bytes = b"portcullis cursor 1\n".to_vec();
    bytes.extend_from_slice(&place);
    bytes.extend(serde_json::to_vec(asked).unwrap_or_default());
    digest(&SHA256, &bytes).as_ref().iter().take(BOUND).copied().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_fits_its_question_and_no_other(one in any::<String>(), other in any::<String>(), seq in any::<u64>()) {
            let text = cursor(&one, seq);
            prop_assert_eq!(place(&one, &text), Some(seq));
            if one != other {
                prop_assert_eq!(place(&other, &text), None);
            }
        }

        #[test]
        fn what_is_no_cursor_leads_nowhere(text in "[A-Za-z0-9_-]{0,40}|\\PC{0,40}") {
            prop_assert_eq!(place(&"question", &text), None);
        }
    }
}
