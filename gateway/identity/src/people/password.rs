//! What a password must be, and what is kept of one: Argon2id as a PHC string.

use std::fmt;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::user::folded;

/// The cost of new hashes: OWASP's first choice, 19 MiB of memory and two passes.
const COST: Cost = Cost { memory: 19_456, passes: 2, lanes: 1 };

/// How long a salt is, and a hash, in bytes.
pub(super) const SALT: usize = 16;
const HASH: usize = 32;

/// The longest password there can be, in characters. Hashing it costs no more than hashing a short one.
pub(super) const LONGEST: usize = 128;

/// Long enough, and tried first all the same. In lower case.
const COMMON: [&str; 32] = [
    "123123123123",
    "1234567890123",
    "123456789012",
    "12345678",
    "123456789",
    "1234567890",
    "1q2w3e4r5t6y",
    "abcd1234",
    "abcdefghijkl",
    "administrator",
    "changeme",
    "changemenow",
    "correcthorsebatterystaple",
    "iloveyou",
    "iloveyou1234",
    "letmein12345",
    "p@ssw0rd",
    "p@ssw0rd1234",
    "password",
    "password1",
    "password123",
    "password1234",
    "password12345",
    "passwordpassword",
    "portcullis",
    "qwerty123",
    "qwerty123456",
    "qwertyuiop",
    "qwertyuiop12",
    "trustno1",
    "welcome1",
    "welcome12345",
];

/// A password that others would guess, or that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Too few characters.
    #[error("a password has at least {0} characters")]
    Short(usize),
    /// Too many.
    #[error("a password has at most 128 characters")]
    Long,
    /// It is the name, or holds hardly more.
    #[error("a password is not the name of its user")]
    Name,
    /// It is on every list, or one character over and over.
    #[error("a password is none that everybody tries first")]
    Common,
}

/// Refuses what would be guessed. `names` are those of its user.
pub(super) fn check(password: &str, least: usize, names: &[&str]) -> Result<(), WeakPassword> {
    let length = password.chars().count();
    if length < least {
        return Err(WeakPassword::Short(least));
    }
    if LONGEST < length {
        return Err(WeakPassword::Long);
    }
    let plain = folded(password);
    let is_name = |name: &&str| {
        let name = folded(name);
        plain == name || name.split('@').next().is_some_and(|it| plain == it)
    };
    if names.iter().any(is_name) {
        return Err(WeakPassword::Name);
    }
    let first = plain.chars().next();
    if COMMON.contains(&plain.as_str()) || plain.chars().all(|it| Some(it) == first) {
        return Err(WeakPassword::Common);
    }
    Ok(())
}

/// The memory that a password is hashed in, which may be used again. What the first pass leaves there, by which a guess would
/// be cheap to try, the second has written over.
#[derive(Default)]
pub(super) struct Scratch(Vec<Block>);

/// What hashing costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cost {
    /// In KiB.
    memory: u32,
    passes: u32,
    lanes: u32,
}

/// What is kept of a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Hash {
    cost: Cost,
    salt: [u8; SALT],
    sum: [u8; HASH],
}

impl Hash {
    /// Of this password, at the cost of today.
    pub(super) fn of(password: &[u8], salt: [u8; SALT], scratch: &mut Scratch) -> Self {
        // All bits set is nobody's: what cannot be computed is never compared.
        Self { cost: COST, salt, sum: COST.spend(password, salt, scratch).unwrap_or([0xff; HASH]) }
    }

    /// As it was written.
    pub(super) fn read(text: &str) -> Option<Self> {
        let rest = text.strip_prefix("$argon2id$v=19$m=")?;
        let (memory, rest) = rest.split_once(",t=")?;
        let (passes, rest) = rest.split_once(",p=")?;
        let mut parts = rest.split('$');
        let (lanes, salt, sum) = (parts.next()?, parts.next()?, parts.next()?);
        let decoded = |it: &str| STANDARD_NO_PAD.decode(it).ok();
        let cost = Cost { memory: memory.parse().ok()?, passes: passes.parse().ok()?, lanes: lanes.parse().ok()? };
        let (salt, sum) = (decoded(salt)?.try_into().ok()?, decoded(sum)?.try_into().ok()?);
        parts.next().is_none().then_some(Self { cost, salt, sum })
    }

    /// Whether this is the password.
    pub(super) fn holds(&self, password: &[u8], scratch: &mut Scratch) -> bool {
        let spent = self.cost.spend(password, self.salt, scratch);
        spent.is_some_and(|it| verify_slices_are_equal(&it, &self.sum).is_ok())
    }

    /// What no password has, where there is none to compare with, so that finding it out takes as long.
    pub(super) fn nobodys() -> Self {
        Self { cost: COST, salt: [0; SALT], sum: [0; HASH] }
    }

    /// Whether new ones cost something else.
    pub(super) fn is_outdated(text: &str) -> bool {
        Self::read(text).is_none_or(|it| it.cost != COST)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Cost { memory, passes, lanes } = self.cost;
        let (salt, sum) = (STANDARD_NO_PAD.encode(self.salt), STANDARD_NO_PAD.encode(self.sum));
        write!(f, "$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${sum}")
    }
}

impl Cost {
    /// The hash; nothing where the cost cannot be spent.
    fn spend(self, password: &[u8], salt: [u8; SALT], scratch: &mut Scratch) -> Option<[u8; HASH]> {
        let mut hash = [0; HASH];
        let params = Params::new(self.memory, self.passes, self.lanes, Some(HASH)).ok()?;
        scratch.0.resize(params.block_count(), Block::default());
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let done = argon2.hash_password_into_with_memory(password, &salt, &mut hash, &mut scratch.0);
        done.is_ok().then_some(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_written_as_everybody_writes_it_and_read_back() {
        // As `argon2-cffi` writes it.
        let mut scratch = Scratch::default();
        let text = Hash::of(b"correct horse", [7; SALT], &mut scratch).to_string();
        let salt_and_hash = "BwcHBwcHBwcHBwcHBwcHBw$cTLmpgKLeruU6za+t2cUZ3fNfHVCYhGoJ8inpcUNcwc";
        assert_eq!(text, format!("$argon2id$v=19$m=19456,t=2,p=1${salt_and_hash}"));
        let read = Hash::read(&text).unwrap();
        assert!(read.holds(b"correct horse", &mut scratch) && !read.holds(b"correct hors", &mut scratch));
        assert!(!Hash::is_outdated(&text));
        assert!(!Hash::is_outdated(&Hash::nobodys().to_string()), "nobody's costs what everybody's does");
        assert!(Hash::is_outdated(&text.replace("t=2", "t=3")) && Hash::is_outdated(""));
    }

    #[test]
    fn what_is_no_hash_of_ours_is_none() {
        let good = Hash::of(b"x", [7; SALT], &mut Scratch::default()).to_string();
        for bad in ["", "$argon2i$v=19$m=1,t=1,p=1$AA$AA", &format!("{good}$"), &good.replace("v=19", "v=16")] {
            assert!(Hash::read(bad).is_none(), "{bad}");
        }
        let impossible = Hash::read(&good.replace("m=19456", "m=1")).unwrap();
        assert!(!impossible.holds(b"x", &mut Scratch::default()));
    }

    #[test]
    fn what_others_would_try_first_is_refused() {
        let check = |it: &str| check(it, 12, &["Ann.Lee@example.com", "ann.lee.1980.x"]);
        assert_eq!(check("correct horse"), Ok(()));
        assert_eq!(check("elevenchars"), Err(WeakPassword::Short(12)));
        assert_eq!(check(&"ab".repeat(65)), Err(WeakPassword::Long));
        assert_eq!(check(&"é1".repeat(64)), Ok(()), "characters are counted, not bytes");
        assert_eq!(check("ANN.LEE@example.com"), Err(WeakPassword::Name));
        assert_eq!(check("ann.lee.1980.X"), Err(WeakPassword::Name));
        assert_eq!(check("Password1234"), Err(WeakPassword::Common));
        assert_eq!(check("aaaaaaaaaaaa"), Err(WeakPassword::Common));
    }
}
