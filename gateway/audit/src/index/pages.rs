//! A file in pages, each with a sum of its own: a little of it can be read and believed without the rest.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use aws_lc_rs::digest::{Context, SHA256};

use super::NotAnIndex;

/// How long a page is in the file.
const PAGE: usize = 4096;

/// How much of it is the sum.
const SUM: usize = 8;

/// How much of it is content.
const CONTENT: usize = PAGE - SUM;

/// Where pages come from.
#[derive(Debug)]
pub(super) enum Pages {
    /// A file.
    Of(File),
    /// The same in memory.
    In(Vec<u8>),
}

/// Content as pages.
pub(super) fn pages(segment: u64, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len().div_ceil(CONTENT) * PAGE);
    for (number, chunk) in (0..).zip(content.chunks(CONTENT)) {
        let start = out.len();
        out.extend_from_slice(chunk);
        out.resize(start + CONTENT, 0);
        let sum = sum(segment, number, out.get(start..).unwrap_or_default());
        out.extend_from_slice(&sum);
    }
    out
}

impl Pages {
    /// So many bytes of the content from a place on.
    pub(super) fn read(&self, segment: u64, at: usize, length: usize) -> Result<Vec<u8>, NotAnIndex> {
        let mut out = Vec::with_capacity(length + CONTENT);
        let first = at / CONTENT;
        for number in first..(at + length).div_ceil(CONTENT) {
            let page = self.page(number)?;
            let (content, stated) = page.split_at(CONTENT);
            if sum(segment, number as u64, content) != *stated {
                return Err(NotAnIndex);
            }
            out.extend_from_slice(content);
        }
        let start = at - first * CONTENT;
        out.get(start..start + length).map(<[u8]>::to_vec).ok_or(NotAnIndex)
    }

    fn page(&self, number: usize) -> Result<[u8; PAGE], NotAnIndex> {
        let mut page = [0; PAGE];
        match self {
            Self::Of(file) => file.read_exact_at(&mut page, (number * PAGE) as u64).map_err(|_| NotAnIndex)?,
            Self::In(bytes) => {
                let found = bytes.get(number * PAGE..(number + 1) * PAGE).ok_or(NotAnIndex)?;
                page.copy_from_slice(found);
            }
        }
        Ok(page)
    }
}

/// Over the place of a page as well, so that one page is not taken for another.
fn sum(segment: u64, number: u64, content: &[u8]) -> [u8; SUM] {
    let mut summed = Context::new(&SHA256);
    summed.update(&segment.to_le_bytes());
    summed.update(&number.to_le_bytes());
    summed.update(content);
    summed.finish().as_ref().first_chunk().copied().unwrap_or_default()
}
