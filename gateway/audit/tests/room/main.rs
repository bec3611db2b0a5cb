//! The room as its callers see it, each file one of its promises.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what fails here must fail the test")]

mod ahead;
mod anchor;
mod damage;
mod doctor;
mod export;
mod forged;
mod handmade;
mod hold;
mod lifetime;
mod log;
mod losses;
mod note;
mod proofs;
mod pruned_tiles;
mod reading;
mod retention;
mod rotation;
mod sample;
mod scan;
mod sinks;
mod subjects;
mod thin;
mod tree;
mod trouble;
mod verify;
mod witness;
