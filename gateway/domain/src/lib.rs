//! The nouns that every room of the gateway shares.
//!
//! A type here is named for what has been proved of it: an [`Arrival`] has one normalised path, a [`Call`] names an
//! operation of a known API, a [`Caller`] has shown a good credential. No IO, no async, no clock of its own but the one
//! in [`clock`].

mod answers;
mod arrival;
mod blame;
mod bound;
mod call;
mod caller;
mod change;
pub mod clock;
mod declined;
mod deed;
mod fault;
mod grant;
mod key;
pub mod keyformat;
pub mod looks;
mod name;
mod native;
mod operation;
mod path;
mod random;
mod record;
mod tenant;
mod tier;
mod tokenkey;
mod told;
mod vault;

pub use answers::is_kept_from_answers;
pub use arrival::{Arrival, RequestId, Source, TraceParent};
pub use blame::Blame;
pub use bound::{BadBound, Bound};
pub use call::Call;
pub use caller::{AuthMethod, Caller, Standing, TokenShown};
pub use change::{Change, Version};
pub use clock::{Clock, FixedClock, Moment, SystemClock, Tick, Timestamp};
pub use declined::Declined;
pub use deed::{Deed, DeedClass};
pub use fault::{Fault, Faults};
pub use grant::{Grant, GrantKind};
pub use key::{Digest, EXPIRES_SOON, KeyRecord, KeySecret, Overlap};
pub use name::{ApiName, BadName, KeyId, LineageId, OperationId, RoleName, Scope, TenantId, TierName};
pub use native::{Native, NativeVerb};
pub use operation::{Alternative, Api, Body, Class, Operation, Requirement, Upstream};
pub use path::{NormalPath, PathMode, PathRefused};
pub use random::Random;
pub use record::Record;
pub use tenant::Tenant;
pub use tier::{CountedBy, RateRule, Tier};
pub use tokenkey::{TokenKey, TokenKeyAlg, TokenKeyStage};
pub use told::Told;
pub use vault::{Imported, SealFault, Vault};
