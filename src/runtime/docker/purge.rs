//! What an engine has of environments, and taking one away: containers, networks, volumes.

use std::collections::{BTreeMap, HashMap};

use bollard::errors::Error;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListNetworksOptionsBuilder, ListVolumesOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions,
};
use futures::{StreamExt, TryStreamExt};

use super::engine::{Engine, EngineError, is_missing, status};
use super::owned::{ENVIRONMENT, Environment};

/// Removals at once: the daemon takes 0.1 s for each, mostly waiting.
const AT_ONCE: usize = 16;

/// What an engine has of one environment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// Containers, whether they run or not.
    pub n_containers: usize,
    /// Networks.
    pub n_networks: usize,
    /// Volumes, with what programs have stored.
    pub n_volumes: usize,
}

/// Whether what programs have stored goes, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumesToo {
    /// It goes.
    Yes,
    /// It stays for the environment's next start.
    No,
}

// === impl Engine ===

impl Engine {
    /// What the engine has, by the ids of environments.
    ///
    /// # Errors
    /// It does not say.
    pub async fn environments(&self) -> Result<BTreeMap<String, Share>, EngineError> {
        let labelled = HashMap::from([("label".to_owned(), vec![ENVIRONMENT.to_owned()])]);
        let read = self.labelled(&labelled).await.map_err(|error| self.unreachable(&error))?;
        let mut environments: BTreeMap<String, Share> = BTreeMap::new();
        let id = |labels: &HashMap<String, String>| labels.get(ENVIRONMENT).cloned();
        for labels in read.containers.iter().map(|(_, labels)| labels) {
            environments.entry(id(labels).unwrap_or_default()).or_default().n_containers += 1;
        }
        for labels in read.networks.iter().map(|(_, labels)| labels) {
            environments.entry(id(labels).unwrap_or_default()).or_default().n_networks += 1;
        }
        for labels in read.volumes.iter().map(|(_, labels)| labels) {
            environments.entry(id(labels).unwrap_or_default()).or_default().n_volumes += 1;
        }
        Ok(environments)
    }

    /// Takes an environment away, whether anything of it runs or not; says what was there.
    ///
    /// # Errors
    /// The engine refuses; what could be removed is.
    pub async fn purge(&self, environment: &Environment, volumes: VolumesToo) -> Result<Share, EngineError> {
        let purged = self.try_purge(environment, volumes).await;
        purged.map_err(|error| self.unreachable(&error))
    }

    async fn try_purge(&self, environment: &Environment, volumes: VolumesToo) -> Result<Share, Error> {
        let docker = self.docker();
        let all = self.labelled(&environment.filters()).await?;
        let remove = async |(id, _): &(String, HashMap<String, String>)| {
            let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
            // 409: somebody else removes it just now.
            match docker.remove_container(id, Some(options)).await {
                Err(error) if !is_missing(&error) && status(&error) != Some(409) => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        };
        let removals = futures::stream::iter(&all.containers).map(remove).buffer_unordered(AT_ONCE);
        removals.try_collect::<Vec<()>>().await?;
        for (id, _) in &all.networks {
            match docker.remove_network(id).await {
                Err(error) if !is_missing(&error) => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
        let mut n_volumes = 0;
        if volumes == VolumesToo::Yes {
            n_volumes = all.volumes.len();
            for (name, _) in &all.volumes {
                match docker.remove_volume(name, None::<RemoveVolumeOptions>).await {
                    Err(error) if !is_missing(&error) => return Err(error),
                    Ok(()) | Err(_) => {}
                }
            }
        }
        Ok(Share { n_containers: all.containers.len(), n_networks: all.networks.len(), n_volumes })
    }

    async fn labelled(&self, filters: &HashMap<String, Vec<String>>) -> Result<Labelled, Error> {
        let docker = self.docker();
        let containers = ListContainersOptionsBuilder::new().all(true).filters(filters).build();
        let networks = ListNetworksOptionsBuilder::new().filters(filters).build();
        let volumes = ListVolumesOptionsBuilder::new().filters(filters).build();
        let (containers, networks, volumes) = tokio::try_join!(
            docker.list_containers(Some(containers)),
            docker.list_networks(Some(networks)),
            docker.list_volumes(Some(volumes)),
        )?;
        Ok(Labelled {
            containers: containers
                .into_iter()
                .filter_map(|container| Some((container.id?, container.labels.unwrap_or_default())))
                .collect(),
            networks: networks
                .into_iter()
                .filter_map(|network| Some((network.id?, network.labels.unwrap_or_default())))
                .collect(),
            volumes: volumes
                .volumes
                .into_iter()
                .flatten()
                .map(|volume| (volume.name, volume.labels))
                .collect(),
        })
    }
}

/// Ids with labels.
struct Labelled {
    containers: Vec<(String, HashMap<String, String>)>,
    networks: Vec<(String, HashMap<String, String>)>,
    volumes: Vec<(String, HashMap<String, String>)>,
}
