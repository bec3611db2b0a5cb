//! What turns a key into something that may be kept, and back into proof.
//!
//! Peppers make digests of API keys; the master key seals what cannot be a digest. Both live outside the database, so
//! that a stolen database opens nothing.

mod files;

use std::fmt;
use std::sync::OnceLock;

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::{digest, hmac};
use domain::{Digest, Imported, KeySecret, Random, SealFault, Vault, keyformat};
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

pub use files::{
    IdentitySeeds, IdentityStep, SecretFiles, SecretsFault, forget_seed, identity_seeds, keep_private,
    publish_identity_seed, replace_identity_seeds, replace_seed, restore_seed, seed, seed_before, tend_identity_seeds,
    text,
};

use crate::SystemRandom;
use crate::sigv4::SigningKeys;

/// What a mark is made of: never a key, for keys are longer.
const MARK: &[u8] = b"mark";

/// Everything that must never be in the database.
pub struct Secrets {
    peppers: Peppers,
    master: MasterKey,
    /// What was derived from sealed secrets today.
    signing: SigningKeys,
    /// A sealed secret that nobody has.
    decoy: OnceLock<Vec<u8>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("peppers", &self.peppers).finish_non_exhaustive()
    }
}

impl Secrets {
    /// From peppers and a master key that were read one by one.
    pub fn new(peppers: Peppers, master: MasterKey) -> Self {
        Self { peppers, master, signing: SigningKeys::default(), decoy: OnceLock::new() }
    }

    /// The peppers.
    pub(crate) fn peppers(&self) -> &Peppers {
        &self.peppers
    }

    /// The master key.
    pub(crate) fn master(&self) -> &MasterKey {
        &self.master
    }

    /// Signing keys that were derived from unsealed secrets, each good for one day.
    pub(crate) fn signing_keys(&self) -> &SigningKeys {
        &self.signing
    }

    /// A sealed secret that nobody has, of the length of one, and what it is sealed for: unsealing it takes as long as
    /// unsealing a real one.
    pub(crate) fn decoy(&self) -> (&str, &[u8]) {
        const NAME: &str = "decoy";
        let seal = || self.master.seal(NAME, &keyformat::draw_id("", 40, &SystemRandom)).unwrap_or_default();
        (NAME, self.decoy.get_or_init(seal))
    }

    /// For each secret, by the name of its file, a value that tells it from another and says nothing about it. A gateway
    /// that remembers them notices when it is started with the wrong secrets instead of turning away every key.
    pub fn marks(&self) -> Vec<(String, Digest)> {
        let peppers = self.peppers.all().map(|it| (format!("pepper.v{}", it.version), it.tag(MARK)));
        peppers.chain([("master.key".to_owned(), self.master.mark)]).collect()
    }
}

impl Vault for Secrets {
    fn keep_minted(&self, key: &str) -> KeySecret {
        let Pepper { version, .. } = self.peppers.current;
        KeySecret::Minted { digest: self.peppers.current.of_minted(key), pepper: version }
    }

    fn keep_imported(&self, key: Imported<'_>) -> KeySecret {
        let pepper = &self.peppers.current;
        let digest = match key {
            Imported::Plain(key) => pepper.of_imported(&sha256(key)),
            Imported::Sha256(digest) => pepper.of_imported(&digest),
        };
        KeySecret::Imported { digest, pepper: pepper.version }
    }

    fn keep_access_key(&self, access_key_id: &str, secret: &str) -> Result<KeySecret, SealFault> {
        let sealed = self.master.seal(access_key_id, secret)?;
        Ok(KeySecret::AccessKey { access_key_id: access_key_id.to_owned(), sealed })
    }

    fn seal(&self, kind: &str, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealFault> {
        self.master.seal_bytes(&format!("{kind}:{name}"), secret)
    }

    fn unseal(&self, kind: &str, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        self.master.unseal_bytes(&format!("{kind}:{name}"), sealed)
    }

    fn keep_token_key(&self, kid: &str, pkcs8: &[u8]) -> Result<Vec<u8>, SealFault> {
        self.master.seal_bytes(&token_key(kid), pkcs8)
    }

    fn open_token_key(&self, kid: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        self.master.unseal_bytes(&token_key(kid), sealed)
    }
}

/// What a private half is sealed for. No access key id has a colon, so that neither opens in the place of the other.
fn token_key(kid: &str) -> String {
    format!("token key:{kid}")
}

/// Versioned keys for digests: one for new digests, and older ones for as long as keys are kept under them.
#[derive(Debug)]
pub struct Peppers {
    current: Pepper,
    older: Vec<Pepper>,
}

impl Peppers {
    /// From every version there is; the highest makes new digests. `None` where there is none.
    pub fn new(versions: impl IntoIterator<Item = (u16, [u8; 32])>) -> Option<Self> {
        let mut all: Vec<Pepper> = versions.into_iter().map(|(version, bytes)| Pepper::new(version, bytes)).collect();
        all.sort_by_key(|it| std::cmp::Reverse(it.version));
        let mut all = all.into_iter();
        Some(Self { current: all.next()?, older: all.collect() })
    }

    /// The pepper of new digests.
    pub(crate) fn current(&self) -> &Pepper {
        &self.current
    }

    /// Every pepper, the current one first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Pepper> {
        std::iter::once(&self.current).chain(&self.older)
    }
}

/// One version, with the state of its HMAC computed once.
pub(crate) struct Pepper {
    version: u16,
    /// A digest is made of a copy of two states of 32 bytes. What aws-lc copies instead are three contexts with room for
    /// any hash, which takes as long as the hashing.
    key: Hmac<Sha256>,
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper(v{})", self.version)
    }
}

impl Pepper {
    fn new(version: u16, mut bytes: [u8; 32]) -> Self {
        let mut block = Zeroizing::new([0; 64]);
        // INVARIANT: a key of HMAC that is shorter than a block is followed by zeros (RFC 2104 section 2).
        block.iter_mut().zip(&bytes).for_each(|(to, from)| *to = *from);
        let key = Hmac::new((&*block).into());
        bytes.zeroize();
        Self { version, key }
    }

    pub(crate) fn version(&self) -> u16 {
        self.version
    }

    pub(crate) fn of_minted(&self, key: &str) -> Digest {
        self.tag(key.as_bytes())
    }

    pub(crate) fn of_imported(&self, sha256: &Digest) -> Digest {
        self.tag(sha256)
    }

    fn tag(&self, bytes: &[u8]) -> Digest {
        self.key.clone().chain_update(bytes).finalize().into_bytes().into()
    }
}

/// The SHA-256 of a key, as an imported key may have been handed over.
pub(crate) fn sha256(key: &str) -> Digest {
    whole(digest::digest(&digest::SHA256, key.as_bytes()).as_ref())
}

fn whole(tag: &[u8]) -> Digest {
    let mut bytes = [0; 32];
    // INVARIANT: HMAC-SHA-256 and SHA-256 are 32 bytes long.
    for (to, from) in bytes.iter_mut().zip(tag) {
        *to = *from;
    }
    bytes
}

/// The AES-256-GCM key that seals what must be read again.
pub struct MasterKey {
    key: LessSafeKey,
    mark: Digest,
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

impl MasterKey {
    /// From its 32 bytes.
    pub fn from_bytes(mut bytes: [u8; 32]) -> Result<Self, SealFault> {
        let key = UnboundKey::new(&AES_256_GCM, &bytes).map_err(|_| SealFault);
        let mark = whole(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), MARK).as_ref());
        bytes.zeroize();
        Ok(Self { key: LessSafeKey::new(key?), mark })
    }

    /// From 64 hexadecimal digits, as the environment may give it.
    pub fn from_hex(text: &str) -> Result<Self, SealFault> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| SealFault)?;
        Self::from_bytes(bytes)
    }

    /// Nonce, ciphertext and tag of `secret`. What is sealed for one name opens for no other.
    pub(crate) fn seal(&self, name: &str, secret: &str) -> Result<Vec<u8>, SealFault> {
        self.seal_bytes(name, secret.as_bytes())
    }

    fn seal_bytes(&self, name: &str, secret: &[u8]) -> Result<Vec<u8>, SealFault> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom.fill(&mut nonce);
        let mut text = Zeroizing::new(secret.to_vec());
        let tag = self
            .key
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(name), &mut text)
            .map_err(|_| SealFault)?;
        Ok([nonce.as_slice(), &text, tag.as_ref()].concat())
    }

    /// What was sealed for this name.
    pub(crate) fn unseal(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<String>, SealFault> {
        let mut text = self.unseal_bytes(name, sealed)?;
        String::from_utf8(std::mem::take(&mut *text)).map(Zeroizing::new).map_err(|_| SealFault)
    }

    fn unseal_bytes(&self, name: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealFault> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(SealFault)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealFault)?;
        let mut text = Zeroizing::new(text.to_vec());
        let len = self.key.open_in_place(nonce, Aad::from(name), &mut text).map_err(|_| SealFault)?.len();
        text.truncate(len);
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(Peppers::new([(1, [1; 32]), (2, [2; 32])]).unwrap(), MasterKey::from_bytes([3; 32]).unwrap())
    }

    #[test]
    fn the_highest_pepper_makes_new_digests() {
        let KeySecret::Minted { digest, pepper } = secrets().keep_minted("key") else { panic!() };
        assert_eq!(pepper, 2);
        assert_eq!(digest, Pepper::new(2, [2; 32]).of_minted("key"));
        assert_ne!(digest, Pepper::new(1, [1; 32]).of_minted("key"));
    }

    #[test]
    fn a_digest_is_hmac_sha_256_as_rfc_4231_has_it() {
        // RFC 4231 section 4.3, test case 2: the key fits a block, so padding it with zeros changes nothing.
        let mut pepper = [0; 32];
        pepper[..4].copy_from_slice(b"Jefe");
        let digest = Pepper::new(1, pepper).of_minted("what do ya want for nothing?");
        assert_eq!(hex::encode(digest), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }

    #[test]
    fn an_imported_key_has_one_digest_whether_it_came_plain_or_hashed() {
        let secrets = secrets();
        let hashed = Imported::Sha256(sha256("nsx_live_a1b2c3d4"));
        assert_eq!(secrets.keep_imported(Imported::Plain("nsx_live_a1b2c3d4")), secrets.keep_imported(hashed));
    }

    #[test]
    fn the_digest_that_was_handed_over_does_not_open_anything() {
        let secrets = secrets();
        let digest = sha256("nsx_live_a1b2c3d4");
        let spelled = Imported::Plain(std::str::from_utf8(b"nsx_live_a1b2c3d4").unwrap());
        assert_ne!(secrets.keep_imported(spelled), secrets.keep_minted(&hex::encode(digest)));
        assert_ne!(secrets.keep_imported(spelled), secrets.keep_imported(Imported::Plain(&hex::encode(digest))));
    }

    #[test]
    fn what_is_sealed_opens_for_its_own_name_only_and_only_unchanged() {
        let master = secrets().master;
        let sealed = master.seal("AKIDONE", "the secret").unwrap();
        assert_eq!(master.unseal("AKIDONE", &sealed).unwrap().as_str(), "the secret");
        assert_eq!(master.unseal("AKIDTWO", &sealed).map(drop), Err(SealFault));
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(master.unseal("AKIDONE", &changed).map(drop), Err(SealFault), "byte {at}");
        }
        for len in 0..sealed.len() {
            assert_eq!(master.unseal("AKIDONE", &sealed[..len]).map(drop), Err(SealFault));
        }
    }

    #[test]
    fn a_private_half_opens_for_its_own_kid_only() {
        let secrets = secrets();
        let sealed = secrets.keep_token_key("one", &[0, 255, 7]).unwrap();
        assert_eq!(*secrets.open_token_key("one", &sealed).unwrap(), [0, 255, 7]);
        assert_eq!(secrets.open_token_key("two", &sealed).map(drop), Err(SealFault));
        assert_eq!(secrets.master.unseal("one", &sealed).map(drop), Err(SealFault), "it is no access key");
    }

    #[test]
    fn the_same_secret_is_never_sealed_alike_twice() {
        let master = secrets().master;
        assert_ne!(master.seal("AKIDONE", "the secret").unwrap(), master.seal("AKIDONE", "the secret").unwrap());
    }

    #[test]
    fn nothing_secret_is_shown() {
        let secrets = secrets();
        let shown = format!("{secrets:?} {:?} {:?}", secrets.master, secrets.keep_minted("key"));
        assert_eq!(
            shown,
            "Secrets { peppers: Peppers { current: Pepper(v2), older: [Pepper(v1)] }, .. } MasterKey Minted"
        );
    }

    #[test]
    fn a_mark_tells_secrets_apart() {
        let marks = secrets().marks();
        assert_eq!(marks.iter().map(|it| it.0.as_str()).collect::<Vec<_>>(), ["pepper.v2", "pepper.v1", "master.key"]);
        assert_eq!(marks, secrets().marks());
        let mut values: Vec<_> = marks.iter().map(|it| it.1).collect();
        values.dedup();
        assert_eq!(values.len(), 3);
    }
}
