//! Write a plugin of the Portcullis gateway, and test it without one.
//!
//! A plugin is a type with two plain functions. It is made anew in clean memory for every request, so that nothing is left of
//! one request for the next; what is to be kept is kept in [`kv`].
//!
//! ```
//! use portcullis_plugin::{Call, Config, Plugin, Problem, Request, Verdict, export};
//!
//! struct Hello {
//!     greeting: String,
//! }
//!
//! impl Plugin for Hello {
//!     fn configure(config: &Config) -> Result<Self, Vec<Problem>> {
//!         let greeting = config.text("/greeting").unwrap_or("hello").to_owned();
//!         Ok(Self { greeting })
//!     }
//!
//!     fn on_request(&self, _: &Call, request: &Request) -> Verdict {
//!         if request.header("x-blocked").is_some() {
//!             return Verdict::respond(403, "not today").finding("blocked", portcullis_plugin::Severity::Low, "was blocked");
//!         }
//!         Verdict::set("x-greeting", &self.greeting)
//!     }
//! }
//!
//! export!(Hello);
//! # fn main() {}
//! ```
//!
//! What a plugin may see and change stands in its `plugin.toml`; the gateway refuses one that needs more. The functions of
//! [`log`], [`clock`], [`random`], [`audit`], [`kv`] and [`crypto`] ask the gateway. In a test they ask `testing`.

mod config;
mod lent;
mod request;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
mod verdict;

#[doc(hidden)]
pub mod bindings {
    //! What the contract says, as Rust: made from `wit/plugin.wit`.
    #![allow(missing_docs, clippy::all, clippy::pedantic, clippy::restriction)]

    wit_bindgen::generate!({
        path: "../wit/plugin.wit",
        inline: "
            package portcullis:sdk;
            world guest {
                include portcullis:plugin/lent@1.0.0;
                export portcullis:plugin/lifecycle@1.0.0;
                export portcullis:plugin/request@1.0.0;
            }
        ",
        world: "portcullis:sdk/guest",
        generate_all,
        additional_derives: [PartialEq],
        pub_export_macro: true,
        default_bindings_module: "portcullis_plugin::bindings",
    });
}

pub use bindings::exports::portcullis::plugin::lifecycle::Problem;
pub use bindings::portcullis::plugin::types::{
    CallContext as Call, Caller, Finding, Header, HeaderOp, HostError, Mode, Peer, RequestHead as Request, Severity,
};
pub use config::Config;
pub use lent::{audit, clock, crypto, kv, log, random};
pub use verdict::Verdict;

/// A plugin.
pub trait Plugin: Sized + Send + Sync {
    /// Takes the configuration, which is JSON, or says everything that is wrong with it. Keep it short: it runs before every
    /// request, within the time that the plugin has. The gateway lends it its configuration and the log, and nothing else.
    fn configure(config: &Config) -> Result<Self, Vec<Problem>>;

    /// What is to become of a request.
    fn on_request(&self, call: &Call, request: &Request) -> Verdict;
}

/// Makes of a type that implements [`Plugin`] the one that the gateway runs.
#[macro_export]
macro_rules! export {
    ($plugin:ty) => {
        const _: () = {
            struct Exported;

            static CONFIGURED: ::std::sync::OnceLock<$plugin> = ::std::sync::OnceLock::new();

            impl $crate::bindings::exports::portcullis::plugin::lifecycle::Guest for Exported {
                fn configure(
                    config: ::std::string::String,
                ) -> ::std::result::Result<(), ::std::vec::Vec<$crate::Problem>> {
                    let plugin = <$plugin as $crate::Plugin>::configure(&$crate::Config::parse(&config)?)?;
                    let _ = CONFIGURED.set(plugin);
                    ::std::result::Result::Ok(())
                }
            }

            impl $crate::bindings::exports::portcullis::plugin::request::Guest for Exported {
                fn on_request(
                    call: $crate::Call,
                    head: $crate::Request,
                ) -> $crate::bindings::portcullis::plugin::types::RequestVerdict {
                    let ::std::option::Option::Some(plugin) = CONFIGURED.get() else {
                        // The gateway configures first. Whoever does not is told so by a trap.
                        ::std::process::abort()
                    };
                    <$plugin as $crate::Plugin>::on_request(plugin, &call, &head).into()
                }
            }

    $crate::bindings::export!(Exported with_types_in $crate::bindings);
        };
    };
}
