//! The checksums that may follow a body.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;

/// How the checksum that follows a body is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum {
    /// `CRC32`.
    Crc32,
    /// `CRC32C`.
    Crc32c,
    /// `CRC64NVME`.
    Crc64Nvme,
    /// `SHA1`.
    Sha1,
    /// `SHA256`.
    Sha256,
}

impl Checksum {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The trailer that bears it.
    pub fn trailer(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The one that a trailer of this name bears.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.trailer().eq_ignore_ascii_case(name))
    }

    /// How long it is in Base64.
    pub(super) fn text_len(self) -> u64 {
        match self {
            Self::Crc32 | Self::Crc32c => 8,
            Self::Crc64Nvme => 12,
            Self::Sha1 => 28,
            Self::Sha256 => 44,
        }
    }

    pub(in crate::sigv4) fn begin(self) -> Running {
        match self {
            Self::Crc32 => Running::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32IsoHdlc)),
            Self::Crc32c => Running::Crc32(crc_fast::Digest::new(CrcAlgorithm::Crc32Iscsi)),
            Self::Crc64Nvme => Running::Crc64(crc_fast::Digest::new(CrcAlgorithm::Crc64Nvme)),
            Self::Sha1 => Running::Sha(digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY)),
            Self::Sha256 => Running::Sha(digest::Context::new(&digest::SHA256)),
        }
    }
}

/// The checksum of what has passed so far.
#[derive(Clone)]
pub(in crate::sigv4) enum Running {
    Crc32(crc_fast::Digest),
    Crc64(crc_fast::Digest),
    Sha(digest::Context),
}

impl Running {
    pub(in crate::sigv4) fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Crc32(digest) | Self::Crc64(digest) => digest.update(piece),
            Self::Sha(context) => context.update(piece),
        }
    }

    /// In Base64, as a trailer spells it.
    pub(in crate::sigv4) fn finish(self) -> String {
        match self {
            // A checksum of 32 bits stands in the lower half.
            Self::Crc32(digest) => STANDARD.encode(digest.finalize().to_be_bytes().get(4..).unwrap_or_default()),
            Self::Crc64(digest) => STANDARD.encode(digest.finalize().to_be_bytes()),
            Self::Sha(context) => STANDARD.encode(context.finish()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_the_one_that_its_name_says() {
        // Check values of the catalogue of CRCs, and of FIPS 180-2.
        for (checksum, text, expected) in [
            (Checksum::Crc32, "123456789", "cbf43926"),
            (Checksum::Crc32c, "123456789", "e3069283"),
            (Checksum::Crc64Nvme, "123456789", "ae8b14860a799888"),
            (Checksum::Sha1, "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            (Checksum::Sha256, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        ] {
            let mut running = checksum.begin();
            for byte in text.bytes() {
                running.update(&[byte]);
            }
            let made = running.finish();
            assert_eq!(hex::encode(STANDARD.decode(&made).unwrap()), expected, "{checksum:?}");
            assert_eq!(made.len() as u64, checksum.text_len(), "{checksum:?}");
            assert_eq!(Checksum::named(checksum.trailer()), Some(checksum));
        }
        assert_eq!(Checksum::named("x-amz-checksum-md5"), None);
    }
}
