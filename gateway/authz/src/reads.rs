//! What a policy's conditions look at, so that nothing else is built.

use crate::conditions::Condition;

/// One fact of a request's context: a field of one of its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    SourceIp,
    SourceTls,
    SourceInKeyAllowlist,
    AuthMethod,
    AuthMfa,
    AuthMfaAge,
    AuthLoginAge,
    AuthTokenAge,
    TimeNow,
    TimeHour,
    TimeWeekday,
    ReqId,
    ReqMethod,
    ReqHost,
    ReqPath,
    ReqBodyBytes,
}

impl Fact {
    /// Every fact, those of one record side by side.
    const ALL: [Self; 16] = [
        Self::SourceIp,
        Self::SourceTls,
        Self::SourceInKeyAllowlist,
        Self::AuthMethod,
        Self::AuthMfa,
        Self::AuthMfaAge,
        Self::AuthLoginAge,
        Self::AuthTokenAge,
        Self::TimeNow,
        Self::TimeHour,
        Self::TimeWeekday,
        Self::ReqId,
        Self::ReqMethod,
        Self::ReqHost,
        Self::ReqPath,
        Self::ReqBodyBytes,
    ];

    /// The record it is in, and its name there.
    pub(crate) const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::SourceIp => ("source", "ip"),
            Self::SourceTls => ("source", "tls"),
            Self::SourceInKeyAllowlist => ("source", "in_key_allowlist"),
            Self::AuthMethod => ("auth", "method"),
            Self::AuthMfa => ("auth", "mfa"),
            Self::AuthMfaAge => ("auth", "mfa_age"),
            Self::AuthLoginAge => ("auth", "login_age"),
            Self::AuthTokenAge => ("auth", "token_age"),
            Self::TimeNow => ("time", "now"),
            Self::TimeHour => ("time", "hour"),
            Self::TimeWeekday => ("time", "weekday"),
            Self::ReqId => ("req", "id"),
            Self::ReqMethod => ("req", "method"),
            Self::ReqHost => ("req", "host"),
            Self::ReqPath => ("req", "path"),
            Self::ReqBodyBytes => ("req", "body_bytes"),
        }
    }
}

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys(u16);

impl Keys {
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ALL: Self = Self(u16::MAX);

    /// How the caller came: true of request after request, so that decisions which look at nothing else are kept.
    pub(crate) const MANNER: Self = Self(
        1 << Fact::SourceTls as u16
            | 1 << Fact::SourceInKeyAllowlist as u16
            | 1 << Fact::AuthMethod as u16
            | 1 << Fact::AuthMfa as u16,
    );

    /// The facts of one record, or one of them; everything where there is no such fact.
    fn of(group: &str, name: Option<&str>) -> Self {
        let matches = |it: Fact| it.name().0 == group && name.is_none_or(|name| it.name().1 == name);
        let bits = Fact::ALL.into_iter().filter(|it| matches(*it)).fold(0, |bits, it| bits | 1 << it as u16);
        if bits == 0 { Self::ALL } else { Self(bits) }
    }

    pub(crate) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) const fn are_within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The facts, those of one record side by side.
    pub(crate) fn facts(self) -> impl Iterator<Item = Fact> {
        Fact::ALL.into_iter().filter(move |it| self.0 >> *it as u16 & 1 == 1)
    }
}

/// How much of the resource is looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OfResource {
    /// Nothing.
    #[default]
    Nothing,
    /// Whose it is, and nothing else.
    Tenant,
    /// Which one it is.
    Itself,
}

/// What a condition looks at. Never less than it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    pub(crate) context: Keys,
    pub(crate) resource: OfResource,
}

impl Reads {
    /// Of a condition.
    pub(crate) fn of(condition: &Condition) -> Self {
        let mut reads = Self::default();
        for path in condition.paths() {
            reads.path(&path.iter().map(String::as_str).collect::<Vec<_>>());
        }
        reads
    }

    pub(crate) fn union(self, other: Self) -> Self {
        Self { context: self.context.union(other.context), resource: self.resource.max(other.resource) }
    }

    /// Notes a variable with the attributes taken from it.
    fn path(&mut self, path: &[&str]) {
        match path {
            ["context", group, name, ..] => self.context = self.context.union(Keys::of(group, Some(name))),
            ["context", group] => self.context = self.context.union(Keys::of(group, None)),
            ["context"] => self.context = Keys::ALL,
            ["resource", "tenant"] => self.resource = self.resource.max(OfResource::Tenant),
            ["resource", ..] => self.resource = OfResource::Itself,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::*;

    fn dotted(fact: Fact) -> String {
        let (group, name) = fact.name();
        format!("{group}.{name}")
    }

    #[track_caller]
    fn check(condition: &str, facts: &[&str], resource: OfResource) {
        let policy = format!("permit(principal, action, resource) when {{ {condition} }};");
        let reads = Reads::of(&Condition::of(&Policy::parse(None, policy).unwrap()));
        let names: Vec<String> = reads.context.facts().map(dotted).collect();
        assert_eq!(names, facts, "{condition}");
        assert_eq!(reads.resource, resource, "{condition}");
    }

    #[test]
    fn only_the_facts_that_are_read_are_found() {
        use OfResource::Nothing;
        check("principal.suspended", &[], Nothing);
        check("context.source.tls", &["source.tls"], Nothing);
        check("context[\"source\"][\"tls\"] && context.req.path like \"/a*\"", &["source.tls", "req.path"], Nothing);
        check("context.source has ip", &["source.ip"], Nothing);
        check("context has time.hour", &["time.hour"], Nothing);
        check("context has time", &["time.now", "time.hour", "time.weekday"], Nothing);
        check("context.source == {tls: true}", &["source.ip", "source.tls", "source.in_key_allowlist"], Nothing);
        check("{Var: context.time.hour}.Var == 1", &["time.hour"], Nothing);
        check("\"context\" == \"x\"", &[], Nothing);
    }

    #[test]
    fn what_cannot_be_told_apart_is_read_whole() {
        let all: Vec<String> = Fact::ALL.map(dotted).to_vec();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        for condition in ["context == {}", "(if true then context else context).source.tls", "context.unheard == 1"] {
            check(condition, &all, OfResource::Nothing);
        }
    }

    #[test]
    fn a_resource_of_which_only_the_tenant_is_read_may_be_any_of_that_tenant() {
        check("principal.tenant == resource.tenant", &[], OfResource::Tenant);
        check("resource has tenant", &[], OfResource::Tenant);
        check("resource.tenant.name == \"x\"", &[], OfResource::Itself);
        for itself in
            ["resource in Gw::Tenant::\"t\"", "resource == principal", "resource.name == \"x\"", "[resource] == []"]
        {
            check(itself, &[], OfResource::Itself);
        }
    }
}
