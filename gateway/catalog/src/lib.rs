//! Which API is this, and is it asked properly?
//!
//! Reads the folder of profiles once and then answers, without waiting and without a clock: which operation a request
//! names ([`Catalog::identify`]), whether its parameters and body are as documented ([`Catalog::validate_head`],
//! [`Catalog::validate_body`]), how a refusal is worded ([`Dialect::word_about`]) and what is on its way out
//! ([`Catalog::notices`]). Refuses to know who asks, and what an upstream answers.

mod catalog;
mod dialect;
mod host;
mod load;
mod marks;
mod openapi;
mod profile;
mod router;
mod selector;
mod settings;
mod source;
mod validate;
mod version;
mod written;

pub use catalog::{Catalog, Unsent};
pub use dialect::{Dialect, REFUSAL_REASON, STATUSES, Worded, last_event};
pub use host::{Host, Unidentified};
pub use load::{Sketch, Unsound};
pub use profile::{
    ApiKeys, BadUpstream, BucketKeys, Credentials, LimitHeaders, LimitsProfile, Profile, ResourceTenant, Sessions,
    SigV4, Surface, Timeouts, UpstreamIdentity, upstream,
};
pub use selector::Selector;
pub use source::Source;
pub use validate::{Invalid, InvalidKind, Wrong};
pub use version::{DEPRECATION, SUNSET, VersionNotice};
