//! A request that may go on: everything that was proved of it.

use authn::PayloadCheck;
use authz::Permit;
use catalog::Source;
use domain::{Call, Caller};
use limits::Allowance;
use plugins::HeaderEdit;

/// What becomes of the body on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyPlan {
    /// How it passes.
    pub flow: BodyFlow,
    /// What is left to check for it to be the caller's; its last bytes wait until that is done.
    pub check: PayloadCheck,
}

/// How a body passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyFlow {
    /// It was read and found good, or there is none.
    Settled,
    /// It is held back until its last byte has been read and found good; at most `max` bytes.
    Held {
        /// Bytes.
        max: u64,
    },
    /// It passes as it arrives; at most `max` bytes.
    Streamed {
        /// Bytes.
        max: u64,
    },
}

/// A permitted request. There is no other way upstream, and no other way to one than a [`Permit`].
#[derive(Debug)]
pub struct Forward {
    call: Call,
    caller: Option<Caller>,
    allowance: Option<Allowance>,
    permit: Permit,
    body: BodyPlan,
    source: Option<Source>,
    edits: Vec<HeaderEdit>,
}

impl Forward {
    pub(crate) fn new(
        call: Call,
        caller: Option<Caller>,
        allowance: Option<Allowance>,
        permit: Permit,
        body: BodyPlan,
    ) -> Self {
        Self { call, caller, allowance, permit, body, source: None, edits: Vec::new() }
    }

    /// The same, which reads this besides its own resource.
    pub(crate) fn reading(self, source: Option<Source>) -> Self {
        Self { source, ..self }
    }

    /// The same, with other headers.
    pub(crate) fn editing(self, edits: Vec<HeaderEdit>) -> Self {
        Self { edits, ..self }
    }

    /// What plugins have changed of its headers: to be done before those are taken out that only the gateway says.
    pub fn edits(&self) -> &[HeaderEdit] {
        &self.edits
    }

    /// What is asked.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Who asks; `None` where the operation is open to anybody.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// What they have left; `None` where nothing is counted.
    pub fn allowance(&self) -> Option<&Allowance> {
        self.allowance.as_ref()
    }

    /// Why it may.
    pub fn permit(&self) -> &Permit {
        &self.permit
    }

    /// What it reads besides its own resource.
    pub fn source(&self) -> Option<&Source> {
        self.source.as_ref()
    }

    /// What becomes of the body.
    pub fn body(&self) -> &BodyPlan {
        &self.body
    }
}
