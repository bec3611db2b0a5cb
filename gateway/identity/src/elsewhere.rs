//! Somebody elsewhere who is asked what is so: a provider, or a platform that vouches for workloads.

use crate::clients::redirect;

/// The longest file of authorities that is kept, in bytes.
pub(crate) const LONGEST_CA: usize = 64 * 1024;

/// Who is asked, and how it is known that it is the one.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere<'a> {
    /// What the log calls it.
    pub named: &'a str,
    /// Its name, to the letter, below which it says of itself where it does what.
    pub issuer: &'a str,
    /// The authorities that vouch for it, as PEM; those of the system where there are none.
    pub ca: Option<&'a str>,
    /// Whether it may be at an address that is not public.
    pub private: bool,
}

impl Elsewhere<'_> {
    /// Whether it, or a browser on its behalf, may be asked there: over TLS, or on this very machine where it is said to be
    /// private.
    pub fn may_be_at(&self, url: &str) -> bool {
        redirect::is_good(url) && (self.private || url.starts_with("https://"))
    }

    /// Whether anything can be asked of it at all.
    pub(crate) fn is_good(&self) -> bool {
        !self.issuer.contains('?') && self.may_be_at(self.issuer)
    }
}
