//! Writing a body in chunks for an upstream, which may then keep the checksum and hold the body to it once more.

use super::Checksum;
use super::Framing;

/// How long each chunk is but the last.
const CHUNK: u64 = 64 * 1024;

/// Writes a body whose length is known, and how long it will be with its chunks. Until [`Self::finish`] the upstream has
/// neither the last chunk nor the trailer, and so nothing that it could keep.
#[derive(Clone, Debug)]
pub struct ChunkWriter {
    trailer: Checksum,
    /// How much of the body is not begun.
    left: u64,
    /// How much of the chunk that was begun is not written.
    in_chunk: u64,
}

impl ChunkWriter {
    /// For a body of this framing; `None` where no checksum follows, and no chunks are needed.
    pub fn new(framing: Framing) -> Option<Self> {
        framing.trailer.map(|trailer| Self { trailer, left: framing.length, in_chunk: 0 })
    }

    /// How many bytes all of it will be.
    pub fn length(&self) -> u64 {
        let whole = self.left / CHUNK;
        let chunk = |length: u64| if length == 0 { 0 } else { digits(length) + 2 + length + 2 };
        let trailer = self.trailer.trailer().len() as u64 + 1 + self.trailer.text_len() + 2;
        whole * chunk(CHUNK) + chunk(self.left % CHUNK) + "0\r\n".len() as u64 + trailer + 2
    }

    /// The next bytes of the body.
    pub fn write(&mut self, mut data: &[u8], out: &mut Vec<u8>) {
        out.reserve(data.len() + 64);
        while !data.is_empty() {
            if self.in_chunk == 0 {
                self.in_chunk = self.left.min(CHUNK);
                self.left -= self.in_chunk;
                out.extend_from_slice(format!("{:x}\r\n", self.in_chunk).as_bytes());
            }
            let most = usize::try_from(self.in_chunk).unwrap_or(usize::MAX).min(data.len());
            // INVARIANT: the reader gives no more than the length that was announced.
            if most == 0 {
                return;
            }
            let (now, later) = data.split_at_checked(most).unwrap_or((data, &[]));
            out.extend_from_slice(now);
            self.in_chunk -= now.len() as u64;
            if self.in_chunk == 0 {
                out.extend_from_slice(b"\r\n");
            }
            data = later;
        }
    }

    /// The end, with the checksum that was found good.
    pub fn finish(self, checksum: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("0\r\n{}:{checksum}\r\n\r\n", self.trailer.trailer()).as_bytes());
    }
}

/// How many hexadecimal digits a length has.
fn digits(length: u64) -> u64 {
    u64::from((64 - length.leading_zeros()).div_ceil(4)).max(1)
}
