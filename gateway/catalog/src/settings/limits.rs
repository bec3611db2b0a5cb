//! The `[limits]` table of a profile.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use domain::{CountedBy, RateRule, Tier, TierName};
use http::HeaderName;
use toml::de::DeValue;

use super::headers;
use crate::profile::{LimitHeaders, LimitsProfile};
use crate::written::{Placed, Readable, Section, Unreadable, one_of};

/// Reads it, or faults what is wrong with it.
pub(crate) fn read(section: &Section<'_>) -> Option<LimitsProfile> {
    let counted_by = section.required::<CountedBy>("counted_by");
    let default_tier = section.required::<TierName>("default_tier");
    let headers = section.optional_section("headers").map_or_else(LimitHeaders::usual, |it| names(&it));
    let tables = section.sections("tier");

    let mut tiers = BTreeMap::new();
    let read: Vec<(Option<TierName>, Option<Placed<Tier>>)> = tables.iter().map(tier).collect();
    // Whatever else is wrong with a tier, it is there.
    let named: Option<Vec<TierName>> = read.iter().map(|(name, _)| name.clone()).collect();
    let read = read.into_iter().map(|(_, it)| it);
    for Placed { value: tier, place } in read.flatten() {
        let name = tier.name.clone();
        if tiers.insert(name.clone(), Arc::new(tier)).is_some() {
            section.fault(place, format!("tier `{name}` is there twice"));
        }
    }
    let default_tier = default_tier?;
    let default = tiers.get(&default_tier.value).map(Arc::clone);
    if let Some(named) = named.filter(|it| !it.contains(&default_tier.value)) {
        let known: Vec<&str> = named.iter().map(TierName::as_str).collect();
        let help = format!("the tiers are: {}", known.join(", "));
        section.fault_with(
            default_tier.place,
            format!("`default_tier`: there is no tier `{}`", default_tier.value),
            help,
        );
    }
    Some(LimitsProfile { counted_by: counted_by?.value, default_tier: default?, tiers, headers })
}

impl LimitHeaders {
    /// What most APIs call them.
    pub(crate) fn usual() -> Self {
        Self {
            limit: HeaderName::from_static("x-ratelimit-limit"),
            remaining: HeaderName::from_static("x-ratelimit-remaining"),
            reset: HeaderName::from_static("x-ratelimit-reset"),
        }
    }
}

fn names(section: &Section<'_>) -> LimitHeaders {
    let usual = LimitHeaders::usual();
    let named = |key| headers::own(section, key).map(|it| it.value);
    let limit = named("limit").unwrap_or(usual.limit);
    let remaining = named("remaining").unwrap_or(usual.remaining);
    let reset = named("reset").unwrap_or(usual.reset);
    if limit == remaining || limit == reset || remaining == reset {
        section.fault(section.place(), "two of `limit`, `remaining` and `reset` have one name");
    }
    LimitHeaders { limit, remaining, reset }
}

/// A tier, and its name even where something else of it is at fault.
fn tier(section: &Section<'_>) -> (Option<TierName>, Option<Placed<Tier>>) {
    let name = section.required::<TierName>("name");
    (name.as_ref().map(|it| it.value.clone()), rules_of(section, name))
}

fn rules_of(section: &Section<'_>, name: Option<Placed<TierName>>) -> Option<Placed<Tier>> {
    let tables = section.sections("rules");
    if tables.is_empty() {
        section.fault(section.place(), "a tier needs at least one of `rules`");
    }
    let rules: Vec<Option<Placed<RateRule>>> = tables.iter().map(rule).collect();
    let rules: Vec<Placed<RateRule>> = rules.into_iter().collect::<Option<_>>()?;
    for (at, rule) in rules.iter().enumerate() {
        if rules.iter().take(at).any(|it| it.value.name == rule.value.name) {
            section.fault(rule.place, format!("rule `{}` is there twice", rule.value.name));
        }
    }
    let name = name?;
    let rules = rules.into_iter().map(|it| it.value).collect();
    Some(Placed { value: Tier { name: name.value, rules }, place: name.place })
}

fn rule(section: &Section<'_>) -> Option<Placed<RateRule>> {
    let name = section.required::<String>("name");
    let limit = section.required::<u32>("limit");
    let window = section.required::<Duration>("window");
    let (name, limit) = (name?, limit?);
    // It goes into `RateLimit-Policy` as a quoted string.
    if name.value.is_empty() || !name.value.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'_' || it == b'-') {
        section
            .fault(name.place, format!("`{}` is not the name of a rule: use letters, digits, `-` and `_`", name.value));
    }
    let Some(most) = NonZeroU32::new(limit.value) else {
        section.fault(limit.place, "`limit` is 0, which would refuse everything");
        return None;
    };
    Some(Placed { value: RateRule { name: name.value, limit: most, window: window?.value }, place: name.place })
}

impl Readable for CountedBy {
    fn read(value: &DeValue<'_>) -> Result<Self, Unreadable> {
        one_of(value, &[("lineage", Self::Lineage), ("owner", Self::Owner), ("tenant", Self::Tenant)])
    }
}
