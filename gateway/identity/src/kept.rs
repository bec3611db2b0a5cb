//! What is kept of people and of what acts for them: typed here, text in the registry.

use domain::{Change, Record, TenantId, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Identity;
use crate::store::{Page, Sought, StoreFault};

/// Something that is kept as one record.
pub(crate) trait Kept: Serialize + DeserializeOwned + Send + Sync {
    /// What it is called in the registry.
    const KIND: &'static str;

    /// Its name among all of its kind.
    fn id(&self) -> &str;

    /// Whose it is, where it is one tenant's.
    fn tenant(&self) -> Option<&TenantId> {
        None
    }

    /// By what else it is found.
    fn found_by(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// When it may be forgotten.
    fn until(&self) -> Option<Timestamp> {
        None
    }

    /// The change that keeps it as it is now.
    fn kept(&self) -> Result<Change, StoreFault> {
        let text =
            serde_json::to_string(self).map_err(|it| StoreFault { doing: "writing a record", source: it.into() })?;
        Ok(Change::Record(Box::new(Record {
            kind: Self::KIND,
            id: self.id().to_owned(),
            tenant: self.tenant().cloned(),
            found_by: self.found_by(),
            until: self.until(),
            text,
        })))
    }

    /// The change after which it is kept no more.
    fn gone(&self) -> Change {
        Change::RecordGone(Self::KIND, self.id().to_owned())
    }
}

impl Identity {
    /// The one of this id.
    pub(crate) async fn find<T: Kept>(&self, id: &str) -> Result<Option<T>, StoreFault> {
        self.registry.record(T::KIND, id).await?.map(|it| read(&it)).transpose()
    }

    /// The first that is found by this.
    pub(crate) async fn find_by<T: Kept>(&self, name: &str, value: &str) -> Result<Option<T>, StoreFault> {
        let first = Page { after: None, limit: 1 };
        Ok(self.list(None, Some((name, value)), &first).await?.into_iter().next())
    }

    /// Those of a tenant, or that are found by something, in the order in which they were made.
    pub(crate) async fn list<T: Kept>(
        &self,
        tenant: Option<&TenantId>,
        by: Option<(&str, &str)>,
        page: &Page<String>,
    ) -> Result<Vec<T>, StoreFault> {
        let sought = Sought { kind: T::KIND, tenant, by, page: page.clone() };
        self.registry.records(&sought).await?.iter().map(|it| read(it)).collect()
    }
}

fn read<T: Kept>(text: &str) -> Result<T, StoreFault> {
    serde_json::from_str(text).map_err(|it| StoreFault { doing: "reading a record", source: it.into() })
}
