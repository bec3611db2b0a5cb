//! Randomness as an argument.

/// A source of unpredictable bytes. The one in service is the operating system's, seeded through the crypto library;
/// tests hand in a counter.
pub trait Random: Send + Sync {
    /// Fills the whole of `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}
