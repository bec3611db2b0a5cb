//! The life of a request: decide, shape, settle.
//!
//! Joins the rooms in one order and knows none of their insides. Nothing is forwarded without a permit, and every request
//! that was read ends as one entry, however it ends.

mod answer;
mod configuration;
mod decide;
mod extend;
mod facts;
mod forward;
mod gateway;
mod ledger;
mod meters;
mod recognise;
mod settle;
mod shape;
mod trail;

pub use answer::{Answer, Unproven, UpstreamFault};
pub use configuration::Configuration;
pub use decide::{Incoming, Passage, READ_EARLY, Refused, Unheard, Unread};
pub use facts::{Ending, Facts, Person, Redacted, Secured};
pub use forward::{BodyFlow, BodyPlan, Forward};
pub use gateway::{Gateway, Parts};
pub use meters::{Meters, Totals};
pub use shape::{expiry, over_limit, retirement, stamp};
pub use trail::Trail;
