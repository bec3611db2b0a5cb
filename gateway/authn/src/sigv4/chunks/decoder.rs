//! Reading a body in chunks, piece by piece as it arrives.

use std::fmt;

use super::super::canonical::hex_bytes;
use super::checksum::Running;
use super::{BadChunks, Chain, Chunks, Framing, MAX_SIGNED_CHUNK};

/// The longest line: 16 digits of a length, or the name of a trailer, and a signature. A checksum is shorter.
const MAX_LINE: usize = 128;

const SIGNATURE: &str = ";chunk-signature=";
const TRAILER_SIGNATURE: &str = "x-amz-trailer-signature";

/// Reads one body in chunks. However the body is cut into pieces, what comes out and what is refused is the same.
#[derive(Clone)]
pub struct ChunkReader {
    framing: Framing,
    chain: Option<Chain>,
    checksum: Option<Running>,
    /// How many bytes of the body have come.
    read: u64,
    expected: Expected,
    /// The line that has come so far.
    line: Vec<u8>,
    /// The signed chunk that has come so far; nobody sees it before its signature holds.
    chunk: Vec<u8>,
    /// What the last line said that the next chunk is signed with.
    signature: [u8; 32],
    /// The checksum that followed.
    told: Option<String>,
}

/// What must come next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expected {
    /// The line that begins a chunk.
    Header,
    /// So many bytes of a chunk.
    Data { left: u64 },
    /// The end of the line after a chunk.
    DataEnd,
    /// The trailer that bears the checksum.
    Checksum,
    /// The signature of that.
    TrailerSignature,
    /// The empty line that ends it all.
    End,
    /// Nothing.
    Nothing,
}

impl ChunkReader {
    pub(super) fn new(chunks: &Chunks) -> Self {
        Self {
            framing: chunks.framing,
            chain: chunks.chain.clone(),
            checksum: chunks.framing.trailer.map(super::Checksum::begin),
            read: 0,
            expected: Expected::Header,
            line: Vec::new(),
            chunk: Vec::new(),
            signature: [0; 32],
            told: None,
        }
    }

    /// Takes the next piece, and adds to `out` what is known of the body by now. Of signed chunks only those whose
    /// signature holds.
    pub fn read(&mut self, mut piece: &[u8], out: &mut Vec<u8>) -> Result<(), BadChunks> {
        while !piece.is_empty() {
            piece = match self.expected {
                Expected::Data { left } => self.data(left, piece, out)?,
                Expected::Nothing => return Err(BadChunks::Framing),
                Expected::Header
                | Expected::DataEnd
                | Expected::Checksum
                | Expected::TrailerSignature
                | Expected::End => self.line(piece)?,
            };
        }
        Ok(())
    }

    /// After the last piece: the checksum that followed, where one did.
    pub fn finish(self) -> Result<Option<String>, BadChunks> {
        if self.expected == Expected::Nothing { Ok(self.told) } else { Err(BadChunks::Unfinished) }
    }

    fn data<'a>(&mut self, left: u64, piece: &'a [u8], out: &mut Vec<u8>) -> Result<&'a [u8], BadChunks> {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        let (data, rest) = piece.split_at_checked(most).unwrap_or((piece, &[]));
        let left = left - data.len() as u64;
        self.expected = if left == 0 { Expected::DataEnd } else { Expected::Data { left } };
        if self.chain.is_none() {
            self.pass(data, out);
            return Ok(rest);
        }
        self.chunk.extend_from_slice(data);
        if left == 0 {
            self.prove()?;
            let chunk = std::mem::take(&mut self.chunk);
            self.pass(&chunk, out);
        }
        Ok(rest)
    }

    /// Whether the chunk that has come is the one that was signed.
    fn prove(&mut self) -> Result<(), BadChunks> {
        let Some(chain) = &mut self.chain else { return Ok(()) };
        if chain.next_chunk(&self.chunk, self.signature) { Ok(()) } else { Err(BadChunks::Signature) }
    }

    fn pass(&mut self, data: &[u8], out: &mut Vec<u8>) {
        self.read += data.len() as u64;
        if let Some(checksum) = &mut self.checksum {
            checksum.update(data);
        }
        out.extend_from_slice(data);
    }

    /// Takes what belongs to the line that is expected; once it is whole, what it says.
    fn line<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], BadChunks> {
        let room = MAX_LINE - self.line.len();
        let end = piece.iter().take(room).position(|it| *it == b'\n').map_or(piece.len().min(room), |it| it + 1);
        let (part, rest) = piece.split_at_checked(end).unwrap_or((piece, &[]));
        self.line.extend_from_slice(part);
        let Some(line) = self.line.strip_suffix(b"\r\n") else {
            return if self.line.len() < MAX_LINE { Ok(rest) } else { Err(BadChunks::Framing) };
        };
        let line = std::str::from_utf8(line).map_err(|_| BadChunks::Framing)?.to_owned();
        self.line.clear();
        self.whole_line(&line)?;
        Ok(rest)
    }

    fn whole_line(&mut self, line: &str) -> Result<(), BadChunks> {
        self.expected = match self.expected {
            Expected::Header => self.header(line)?,
            Expected::DataEnd if line.is_empty() => Expected::Header,
            Expected::Checksum => self.trailer(line)?,
            Expected::TrailerSignature => self.trailer_signature(line)?,
            Expected::End if line.is_empty() => Expected::Nothing,
            // Whatever follows the trailers that were announced is one that was not, or one of them again.
            Expected::End => return Err(BadChunks::Trailer),
            Expected::DataEnd | Expected::Data { .. } | Expected::Nothing => return Err(BadChunks::Framing),
        };
        Ok(())
    }

    /// The line that begins a chunk: its length, and its signature where chunks are signed.
    fn header(&mut self, line: &str) -> Result<Expected, BadChunks> {
        let length = match (&self.chain, line.split_once(SIGNATURE)) {
            (None, None) => line,
            (Some(_), Some((length, signature))) => {
                self.signature = hex_bytes(signature).ok_or(BadChunks::Framing)?;
                length
            }
            (None, Some(_)) | (Some(_), None) => return Err(BadChunks::Framing),
        };
        let digits = (1..=16).contains(&length.len()) && length.bytes().all(|it| it.is_ascii_hexdigit());
        let length = u64::from_str_radix(length, 16).ok().filter(|_| digits).ok_or(BadChunks::Framing)?;
        if self.chain.is_some() && length > MAX_SIGNED_CHUNK {
            return Err(BadChunks::TooLarge);
        }
        if length > self.framing.length - self.read {
            return Err(BadChunks::Length);
        }
        if length > 0 {
            return Ok(Expected::Data { left: length });
        }
        self.prove()?;
        if self.read < self.framing.length {
            return Err(BadChunks::Length);
        }
        Ok(if self.framing.trailer.is_some() { Expected::Checksum } else { Expected::End })
    }

    fn trailer(&mut self, line: &str) -> Result<Expected, BadChunks> {
        // The documents of AWS, and clients that follow them, end this line twice.
        let line = line.strip_suffix('\n').unwrap_or(line);
        let wanted = self.framing.trailer.ok_or(BadChunks::Trailer)?.trailer();
        let (name, value) = line.split_once(':').ok_or(BadChunks::Trailer)?;
        let value = value.trim_matches(' ');
        if !name.eq_ignore_ascii_case(wanted) {
            return Err(BadChunks::Trailer);
        }
        self.told = Some(value.to_owned());
        if self.chain.is_some() {
            return Ok(Expected::TrailerSignature);
        }
        self.compare()?;
        Ok(Expected::End)
    }

    fn trailer_signature(&mut self, line: &str) -> Result<Expected, BadChunks> {
        let signature = line.split_once(':').filter(|(name, _)| name.eq_ignore_ascii_case(TRAILER_SIGNATURE));
        let signature =
            signature.and_then(|(_, value)| hex_bytes(value.trim_matches(' '))).ok_or(BadChunks::Trailer)?;
        let (name, value) = self.framing.trailer.zip(self.told.as_deref()).ok_or(BadChunks::Trailer)?;
        let text = format!("{}:{value}\n", name.trailer());
        if !self.chain.as_mut().is_some_and(|it| it.trailer(&text, signature)) {
            return Err(BadChunks::TrailerSignature);
        }
        self.compare()?;
        Ok(Expected::End)
    }

    /// Whether the checksum that followed is that of what came.
    fn compare(&mut self) -> Result<(), BadChunks> {
        let made = self.checksum.take().map(Running::finish);
        if made.is_some() && made == self.told { Ok(()) } else { Err(BadChunks::Checksum) }
    }
}

impl fmt::Debug for ChunkReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChunkReader").field("framing", &self.framing).field("read", &self.read).finish_non_exhaustive()
    }
}
