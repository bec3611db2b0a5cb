//! What the acceptance tests share: the real binaries on free ports, a client that controls every byte, the entries.
//!
//! A test makes one [`World`] and asks through its front door. Nothing here knows a room of the gateway; what is
//! known is what is documented: the settings file, the ready line, the commands and the entry file.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "what fails here must stop the test that relies on it, and say where"
)]

mod answer;
mod check;
mod client;
mod clouds;
mod entries;
pub mod frames;
mod gateway;
mod keys;
mod node;
mod people;
mod process;
mod python;
mod request;
mod wait;
mod witness;
mod world;

pub use answer::Answer;
pub use check::{Refusal, Words, told};
pub use client::{Connection, Door, Pieces};
pub use clouds::Clouds;
pub use entries::Entries;
pub use gateway::{Commanded, Gateway, Settings};
pub use keys::Key;
pub use node::{node, node_served};
pub use people::{Authenticator, User};
pub use process::{Running, program};
pub use python::{python, python_alone, python_served};
pub use request::Request;
pub use wait::until;
pub use witness::{Witness, name_witnesses};
pub use world::{APIS, World};
