//! The office: what operators look at, and what the gateway answers itself.
//!
//! Promises to answer operators while the gateway is busy, and to say why when it is not ready; never on the listener of
//! the APIs. To callers it promises what the document of their API says, of what is their tenant's and of nothing else;
//! who they are it is told by the edge, and it never sees what they showed.

mod asked;
mod audit_list;
mod checkpoints;
mod counters;
mod cursor;
mod entries;
mod exchange;
mod html;
mod iam;
mod introduction;
mod issuer;
mod oauth;
mod operations;
mod outside;
mod page;
mod people;
mod posts;
mod presign;
mod teams;

pub use introduction::{INTRODUCTION, Introduced, Introduction, IntroductionKey, NotIntroduced};
pub use operations::{ABOUT, Books, Bounds, DECLINED, Offered, Operations, PERSON, REFUSED, Shelf};
pub use outside::{Errand, Messenger, Reply, Unanswered};
pub use people::SessionCookies;
pub use posts::{Condition, Posts, router, serve};
