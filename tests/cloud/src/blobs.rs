//! Uploaded bytes, streamed to files and digested on the way. A file goes when nothing refers to it any more.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::digest::{Context as Digest, SHA256};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use s3s::crypto::{Checksum, Md5};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Where blobs are kept.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
    count: AtomicU64,
}

/// Bytes that were written whole.
#[derive(Debug)]
pub(crate) struct Blob {
    file: OwnFile,
    /// How many bytes.
    pub(crate) size: u64,
    /// Their MD5.
    pub(crate) md5: [u8; 16],
    /// Their SHA-256, in hexadecimal.
    pub(crate) sha256: String,
}

/// Why nothing was kept.
#[derive(Debug)]
pub(crate) enum NotKept {
    /// The sender broke off.
    CutOff,
    /// More bytes than were allowed.
    TooLarge,
    /// The disk did not do its part.
    Disk(std::io::Error),
}

impl From<std::io::Error> for NotKept {
    fn from(fault: std::io::Error) -> Self {
        Self::Disk(fault)
    }
}

/// A file that is deleted with its last owner.
#[derive(Debug)]
struct OwnFile(PathBuf);

impl Drop for OwnFile {
    fn drop(&mut self) {
        // A reader that has it open reads on; a file that is gone already is what was wanted.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Blobs {
    /// Keeps blobs in `folder`, which is emptied: what an earlier run left, nothing refers to.
    pub(crate) fn in_folder(folder: &Path) -> std::io::Result<Self> {
        if folder.exists() {
            std::fs::remove_dir_all(folder)?;
        }
        std::fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), count: AtomicU64::new(0) })
    }

    /// Keeps what `stream` yields, `most` bytes at the most.
    pub(crate) async fn keep<E>(
        &self,
        stream: impl Stream<Item = Result<Bytes, E>>,
        most: u64,
    ) -> Result<Arc<Blob>, NotKept> {
        let (mut stream, mut writer) = (pin!(stream), self.writer().await?);
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|_| NotKept::CutOff)?;
            writer.take(&chunk).await?;
            if most < writer.size {
                return Err(NotKept::TooLarge);
            }
        }
        writer.finish().await
    }

    /// Keeps `parts`, one after another, as one.
    pub(crate) async fn join(&self, parts: &[Arc<Blob>]) -> Result<Arc<Blob>, NotKept> {
        let mut writer = self.writer().await?;
        let mut piece = vec![0; 1 << 16];
        for part in parts {
            let mut file = part.open().await?;
            loop {
                let count = file.read(&mut piece).await?;
                if count == 0 {
                    break;
                }
                writer.take(piece.get(..count).unwrap_or_default()).await?;
            }
        }
        writer.finish().await
    }

    async fn writer(&self) -> Result<Writer, NotKept> {
        let path = self.folder.join(self.count.fetch_add(1, Ordering::Relaxed).to_string());
        let file = File::create(&path).await?;
        Ok(Writer { own: OwnFile(path), file, size: 0, md5: Md5::new(), sha256: Digest::new(&SHA256) })
    }
}

struct Writer {
    own: OwnFile,
    file: File,
    size: u64,
    md5: Md5,
    sha256: Digest,
}

impl Writer {
    async fn take(&mut self, bytes: &[u8]) -> Result<(), NotKept> {
        self.md5.update(bytes);
        self.sha256.update(bytes);
        self.size += bytes.len() as u64;
        Ok(self.file.write_all(bytes).await?)
    }

    async fn finish(mut self) -> Result<Arc<Blob>, NotKept> {
        self.file.flush().await?;
        let (md5, sha256) = (self.md5.finalize(), hex::encode(self.sha256.finish()));
        Ok(Arc::new(Blob { file: self.own, size: self.size, md5, sha256 }))
    }
}

impl Blob {
    /// Opens it from its beginning.
    pub(crate) async fn open(&self) -> std::io::Result<File> {
        File::open(&self.file.0).await
    }

    /// Its MD5 in hexadecimal, between the quotes of an `ETag`.
    pub(crate) fn etag(&self) -> String {
        format!("\"{}\"", hex::encode(self.md5))
    }
}

/// What `file` still holds, `most` bytes of it, in pieces.
pub(crate) fn pieces(file: File, most: u64) -> impl Stream<Item = std::io::Result<Bytes>> {
    futures::stream::try_unfold((file, most), async |(mut file, left)| {
        let mut piece = vec![0; usize::try_from(left.min(1 << 16)).unwrap_or(1 << 16)];
        let count = file.read(&mut piece).await?;
        piece.truncate(count);
        let left = left.saturating_sub(count as u64);
        Ok((count > 0).then(|| (Bytes::from(piece), (file, left))))
    })
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures::TryStreamExt;

    use super::*;

    fn stream(chunks: &[&'static str]) -> impl Stream<Item = Result<Bytes, Infallible>> {
        futures::stream::iter(chunks.iter().map(|it| Ok(Bytes::from_static(it.as_bytes()))).collect::<Vec<_>>())
    }

    async fn read(blob: &Blob) -> Vec<u8> {
        let pieces: Vec<Bytes> = pieces(blob.open().await.unwrap(), blob.size).try_collect().await.unwrap();
        pieces.concat()
    }

    #[tokio::test]
    async fn what_was_kept_is_read_back_with_its_digests() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        let blob = blobs.keep(stream(&["a", "bc"]), 10).await.unwrap();
        assert_eq!(read(&blob).await, b"abc");
        assert_eq!((blob.size, blob.etag().as_str()), (3, "\"900150983cd24fb0d6963f7d28e17f72\""));
        assert_eq!(blob.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let joined = blobs.join(&[Arc::clone(&blob), blob]).await.unwrap();
        assert_eq!(read(&joined).await, b"abcabc");
    }

    #[tokio::test]
    async fn what_is_too_large_or_cut_off_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let blobs = Blobs::in_folder(folder.path()).unwrap();
        assert!(matches!(blobs.keep(stream(&["abc", "d"]), 3).await, Err(NotKept::TooLarge)));
        let broken = futures::stream::iter([Ok(Bytes::from_static(b"a")), Err("gone")]);
        assert!(matches!(blobs.keep(broken, 3).await, Err(NotKept::CutOff)));
        drop(blobs.keep(stream(&["kept for a moment"]), 100).await.unwrap());
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
