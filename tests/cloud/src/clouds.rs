//! All the clouds together, and the port that controls them.

use std::sync::Arc;

use domain::Clock;

use crate::blobs::Blobs;
use crate::clock::AheadClock;
use crate::control::Control;
use crate::gate::Shared;
use crate::listen::Port;
use crate::objects::UpstreamKey;
use crate::objects::shelf::Shelf;
use crate::settings::Settings;
use crate::surface::Served;
use crate::{cloudnexus, cloudnx, novastack, novastraxis, objects, servers};

/// Every API and what they share.
pub(crate) struct Clouds {
    control: Control,
    served: Vec<Served>,
}

impl Clouds {
    /// The clouds as they stand at `clock`, with nobody's data yet.
    pub(crate) fn new(settings: &Settings, clock: Arc<AheadClock>) -> anyhow::Result<Self> {
        let blobs = Arc::new(Blobs::in_folder(&settings.data.join("blobs"))?);
        let shared = Arc::new(Shared::new(Arc::clone(&clock) as Arc<dyn Clock>, settings.pace(), settings.believed()));
        let shelf = Arc::new(Shelf::new(Arc::clone(&blobs), Arc::clone(&shared.clock)));
        let key = UpstreamKey { id: settings.s3_access_key.clone(), secret: settings.s3_secret()? };
        let served = serve_all(&shared, &blobs, &shelf, &key);
        let apis = served.iter().map(|it| (it.api, it.operations.clone())).collect();
        Ok(Self { control: Control { shared, clock, apis }, served })
    }

    /// Binds a port for each, and the control port.
    pub(crate) async fn bind(self, settings: &Settings) -> anyhow::Result<Vec<Port>> {
        let mut ports = Vec::new();
        for it in self.served {
            let address = match it.api {
                "novastraxis" => settings.novastraxis,
                "cloudnexus" => settings.cloudnexus,
                "cloudnexus-servers" => settings.cloudnexus_servers,
                "cloudnx" => settings.cloudnx,
                "cloudnx-objects" => settings.cloudnx_objects,
                _ => settings.novastack,
            };
            ports.push(Port::bind(it.api, address, it.router).await?);
        }
        ports.push(Port::bind("control", settings.control, self.control.router()).await?);
        Ok(ports)
    }
}

/// Every API, over what they share.
pub(crate) fn serve_all(
    shared: &Arc<Shared>,
    blobs: &Arc<Blobs>,
    shelf: &Arc<Shelf>,
    key: &UpstreamKey,
) -> Vec<Served> {
    vec![
        novastraxis::serve(shared),
        cloudnexus::serve(shared, blobs),
        servers::serve(shared),
        cloudnx::serve(shared, shelf),
        objects::serve(shared, shelf, key),
        novastack::serve(shared, blobs),
    ]
}
