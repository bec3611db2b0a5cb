//! A request body on its way upstream: read out of its chunks, counted, held back, checked, and written anew.
//!
//! Nothing that an upstream could keep is let go before the whole is known to be good: of a body of known length the last
//! piece waits, and of one in chunks the last chunk. An upstream that lacks them drops the rest.

use authn::PayloadCheck;
use authn::sigv4::{BodyHash, ChunkReader, ChunkWriter, Framing};
use bytes::{Bytes, BytesMut};
use catalog::Invalid;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use pipeline::{Answer, BodyFlow, BodyPlan};

const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");
const DECODED_LENGTH: HeaderName = HeaderName::from_static("x-amz-decoded-content-length");
const TRAILER: HeaderName = HeaderName::from_static("x-amz-trailer");

/// How a body in chunks says so.
const CHUNKED: &str = "aws-chunked";

/// A piece of a body of which nothing may be sent yet. To pingora no piece at all would be the end of the body.
const HELD_BACK: Bytes = Bytes::new();

/// One body, and what is still to be known of it. Each attempt to send it begins anew.
#[derive(Default)]
pub(crate) struct Content {
    reader: Option<ChunkReader>,
    writer: Option<ChunkWriter>,
    /// The checksum that followed, once it was found good.
    checksum: Option<String>,
    /// Begun with the first piece of a body that was signed: most bodies are not.
    hash: Option<BodyHash>,
    passed: u64,
    held: BytesMut,
    last: Option<Bytes>,
}

impl Content {
    /// Before the first byte. `rechunked` where the upstream reads chunks and keeps the checksum that follows them; any
    /// other is sent the body as it is.
    pub(crate) fn begin(check: &PayloadCheck, rechunked: bool) -> Self {
        let PayloadCheck::Chunks(chunks) = check else { return Self::default() };
        let writer = ChunkWriter::new(chunks.framing()).filter(|_| rechunked);
        Self { reader: Some(chunks.reader()), writer, ..Self::default() }
    }

    /// Says in the head that is about to be sent how the body will be written.
    pub(crate) fn restate(&self, framing: Framing, request: &mut RequestHeader) -> pingora::Result<()> {
        let codings = request.headers.get_all(CONTENT_ENCODING).iter().filter_map(|it| it.to_str().ok());
        let others = codings.flat_map(|it| it.split(',')).map(str::trim);
        let others = others.filter(|it| !it.is_empty() && !it.eq_ignore_ascii_case(CHUNKED));
        let codings: Vec<&str> = self.writer.iter().map(|_| CHUNKED).chain(others).collect();
        let codings = codings.join(",");
        for name in [TRANSFER_ENCODING, CONTENT_ENCODING, DECODED_LENGTH, TRAILER] {
            request.remove_header(&name);
        }
        if !codings.is_empty() {
            request.insert_header(CONTENT_ENCODING, codings)?;
        }
        let Some((writer, trailer)) = self.writer.as_ref().zip(framing.trailer) else {
            request.insert_header(CONTENT_SHA256, HeaderValue::from_static("UNSIGNED-PAYLOAD"))?;
            return request.insert_header(CONTENT_LENGTH, framing.length);
        };
        let streamed = HeaderValue::from_static("STREAMING-UNSIGNED-PAYLOAD-TRAILER");
        request.insert_header(CONTENT_SHA256, streamed)?;
        request.insert_header(DECODED_LENGTH, framing.length)?;
        request.insert_header(TRAILER, HeaderValue::from_static(trailer.trailer()))?;
        request.insert_header(CONTENT_LENGTH, writer.length())
    }

    /// Puts in place of a piece what may be sent now. `validate` judges the whole of a body that is held.
    pub(crate) fn pass(
        &mut self,
        plan: &BodyPlan,
        piece: &mut Option<Bytes>,
        end: bool,
        validate: impl FnOnce(&[u8]) -> Result<(), Invalid>,
    ) -> Result<(), Answer> {
        let chunked = self.reader.is_some() || self.checksum.is_some();
        self.read(piece, end)?;
        self.passed += piece.as_ref().map_or(0, |it| it.len() as u64);
        match plan.flow {
            BodyFlow::Streamed { max } | BodyFlow::Held { max } if self.passed > max => {
                return Err(Answer::TooLarge { max });
            }
            BodyFlow::Settled | BodyFlow::Streamed { .. } => {}
            BodyFlow::Held { .. } => {
                if let Some(piece) = piece.replace(HELD_BACK) {
                    self.held.extend_from_slice(&piece);
                }
                if end {
                    let whole = std::mem::take(&mut self.held).freeze();
                    validate(&whole)?;
                    *piece = Some(whole);
                }
            }
        }
        if let PayloadCheck::Sha256(signed) = &plan.check {
            self.compare(signed, piece.as_deref().unwrap_or_default(), end)?;
            self.hold_last(piece, end);
        } else if chunked && self.writer.is_none() {
            self.hold_last(piece, end);
        }
        self.write(piece, end);
        Ok(())
    }

    /// Takes a piece out of its chunks. At the end the last chunk and what follows it have been found good.
    fn read(&mut self, piece: &mut Option<Bytes>, end: bool) -> Result<(), Answer> {
        let Some(mut reader) = self.reader.take() else { return Ok(()) };
        let mut plain = Vec::new();
        reader.read(piece.as_deref().unwrap_or_default(), &mut plain)?;
        *piece = Some(plain.into());
        if end {
            self.checksum = Some(reader.finish()?.unwrap_or_default());
        } else {
            self.reader = Some(reader);
        }
        Ok(())
    }

    fn compare(&mut self, signed: &[u8; 32], piece: &[u8], end: bool) -> Result<(), Answer> {
        self.hash.get_or_insert_default().update(piece);
        if end && self.hash.take().unwrap_or_default().finish() != *signed {
            return Err(Answer::NotSigned);
        }
        Ok(())
    }

    /// Keeps the last bytes back until the end, which is only reached when the whole is good. An empty piece is not the
    /// last one, however late it comes.
    fn hold_last(&mut self, piece: &mut Option<Bytes>, end: bool) {
        if end {
            if let Some(last) = self.last.take() {
                let rest = piece.take().unwrap_or_default();
                *piece = Some([last, rest].concat().into());
            }
        } else if let Some(next) = piece.take() {
            let kept = if next.is_empty() { None } else { self.last.replace(next) };
            *piece = Some(kept.unwrap_or(HELD_BACK));
        }
    }

    fn write(&mut self, piece: &mut Option<Bytes>, end: bool) {
        let Some(mut writer) = self.writer.take() else { return };
        let mut written = Vec::new();
        writer.write(piece.as_deref().unwrap_or_default(), &mut written);
        if end {
            writer.finish(self.checksum.as_deref().unwrap_or_default(), &mut written);
        } else {
            self.writer = Some(writer);
        }
        *piece = Some(written.into());
    }
}

#[cfg(test)]
mod tests;
