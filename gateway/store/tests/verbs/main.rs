//! The verbs of `identity` over a real database: what is made works, what is ended does not, and whoever follows sees it.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "helpers of tests are tests")]

mod believed;
mod clients;
mod codes;
mod consents;
mod deeds;
mod desk;
mod devices;
mod dismissed;
mod guesses;
mod held;
mod keys;
mod lapsed;
mod mandate;
mod names;
mod passkeys;
mod people;
mod plugins;
mod providers;
mod races;
mod rotations;
mod service_accounts;
mod sessions;
mod teams;
mod tenants;
mod token_keys;
