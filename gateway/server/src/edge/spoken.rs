//! What the library says over HTTP/2 by itself: streams that it resets and connections that it gives up become no request,
//! and nobody else would count them.

/// The head of a frame (RFC 9113 section 4.1).
const HEAD: usize = 9;

const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;

/// Reasons that are no fault of the caller: an end as agreed, a fault of ours, and what nobody needs any more.
const HARMLESS: [u32; 3] = [0, 2, 8];

/// Something of the caller that is no HTTP/2, or not as it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// One stream was reset.
    Stream,
    /// The whole connection was given up.
    Connection,
}

impl Broken {
    /// As it is counted.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Stream => "h2_stream_reset",
            Self::Connection => "h2_protocol_error",
        }
    }
}

/// Follows the frames that leave on one connection, by their heads and by the first bytes of those that end something.
#[derive(Debug, Default)]
pub(crate) struct Spoken {
    head: [u8; HEAD],
    /// How much of the head is there, and how much of what comes after it is to come.
    filled: usize,
    left: usize,
    /// The beginning of what comes after it.
    begun: Vec<u8>,
}

impl Spoken {
    /// Takes in what was written, and says what of it ends something because of the caller.
    pub(crate) fn hear(&mut self, mut bytes: &[u8], mut say: impl FnMut(Broken)) {
        while !bytes.is_empty() {
            if self.filled < HEAD {
                let (taken, rest) = bytes.split_at(bytes.len().min(HEAD - self.filled));
                let place = self.head.get_mut(self.filled..self.filled + taken.len());
                place.unwrap_or_default().copy_from_slice(taken);
                self.filled += taken.len();
                bytes = rest;
                let [a, b, c, ..] = self.head;
                self.left = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                self.begun.clear();
            } else {
                let (taken, rest) = bytes.split_at(bytes.len().min(self.left));
                self.left -= taken.len();
                bytes = rest;
                let room = 8_usize.saturating_sub(self.begun.len());
                self.begun.extend_from_slice(taken.get(..room.min(taken.len())).unwrap_or_default());
            }
            if self.filled == HEAD && self.left == 0 {
                self.broken().into_iter().for_each(&mut say);
                self.filled = 0;
            }
        }
    }

    /// What the frame that is whole now ends.
    fn broken(&self) -> Option<Broken> {
        let [.., kind, _, _, _, _, _] = self.head;
        let (what, code) = match kind {
            RST_STREAM => (Broken::Stream, self.begun.first_chunk::<4>()),
            GOAWAY => (Broken::Connection, self.begun.last_chunk::<4>()),
            _ => return None,
        };
        let code = u32::from_be_bytes(*code?);
        (!HARMLESS.contains(&code)).then_some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        [&[0, 0, length, kind, 0, 0, 0, 0, 1], content].concat()
    }

    #[test]
    fn what_ends_because_of_the_caller_is_heard_however_it_is_written() {
        let frames = [
            frame(4, b""),
            frame(0, &[3; 200]),
            frame(RST_STREAM, &[0, 0, 0, 1]),
            frame(RST_STREAM, &[0, 0, 0, 8]),
            frame(1, &[7, 0, 0, 0, 0, 0]),
            frame(GOAWAY, &[0, 0, 0, 5, 0, 0, 0, 0]),
            frame(GOAWAY, &[0, 0, 0, 5, 0, 0, 0, 1, b'w', b'h', b'y']),
            frame(RST_STREAM, &[0, 0, 0, 11]),
        ]
        .concat();
        for piece in [1, 2, 8, 9, 10, 64, frames.len()] {
            let (mut spoken, mut heard) = (Spoken::default(), Vec::new());
            frames.chunks(piece).for_each(|it| spoken.hear(it, |it| heard.push(it)));
            assert_eq!(heard, [Broken::Stream, Broken::Connection, Broken::Stream], "in pieces of {piece}");
        }
    }
}
