//! Who is asking? Exactly one credential, one caller.
