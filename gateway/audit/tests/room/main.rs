//! The room as its callers see it, each file one of its promises.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

mod damage;
mod doctor;
mod export;
mod handmade;
mod log;
mod losses;
mod note;
mod proofs;
mod reading;
mod retention;
mod sample;
mod sinks;
mod tree;
mod trouble;
mod verify;
mod witness;
