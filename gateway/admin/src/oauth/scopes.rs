//! Lists of scopes, as OAuth writes them: separated by one space (RFC 6749 section 3.3).

use domain::Scope;

use super::{Code, Fault};

/// More is asked for than may be had.
pub(super) const BEYOND: Fault =
    Fault { code: Code::InvalidScope, told: "a scope goes beyond what may be granted here" };

/// Reads a list; in whichever order, the same list.
pub(super) fn read(text: &str) -> Result<Vec<Scope>, Fault> {
    let bad = |_| Fault::new(Code::InvalidScope, "a scope is not written as scopes are");
    let mut scopes: Vec<Scope> = text.split(' ').map(str::parse).collect::<Result<_, _>>().map_err(bad)?;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

/// What is asked for out of what may be had: all of it where nothing is asked for, and never more.
pub(super) fn among(asked: Option<&str>, most: &[Scope]) -> Result<Vec<Scope>, Fault> {
    let Some(asked) = asked.map(read).transpose()? else { return Ok(most.to_vec()) };
    let beyond = asked.iter().any(|it| !most.contains(it));
    if beyond { Err(BEYOND) } else { Ok(asked) }
}

pub(super) fn written(scopes: &[Scope]) -> String {
    scopes.iter().map(Scope::as_str).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_is_never_more_than_may_be_had_in_whichever_order() {
        let most = read("b a c").ok().unwrap();
        assert_eq!(written(&most), "a b c");
        assert_eq!(among(None, &most), Ok(most.clone()));
        assert_eq!(among(Some("c a c"), &most), read("a c"));
        for bad in ["d", "a d", "a  b", " a", "a\tb", "\"a\""] {
            assert_eq!(among(Some(bad), &most).unwrap_err().code, Code::InvalidScope, "{bad:?}");
        }
    }
}
