//! Fetching an image from its registry, with progress.

pub(super) mod credentials;
pub(super) mod name;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use bollard::errors::Error;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;

use super::engine::{Engine, is_missing, words};
use super::image::SELF_IMAGE;
use crate::container::PullPolicy;
use crate::image::{Fetched, ImageAsk, ImageError, ImageNews, ImageNewsSender};

/// A registry that says nothing for so long has gone: layers come in pieces, and the daemon reports
/// each tenth of a second.
const SILENT_FOR: Duration = Duration::from_secs(120);
/// How often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// Makes sure that an image is there. `home` is where the user's configuration of Docker is.
pub(super) async fn fetch(
    engine: &Engine,
    ask: &ImageAsk,
    home: Option<&Path>,
    news_tx: &ImageNewsSender,
) -> Result<Fetched, ImageError> {
    let ImageAsk { image, policy, credentials } = ask;
    if image == SELF_IMAGE {
        return Ok(Fetched::Present);
    }
    let reference = name::parse(image)
        .map_err(|found| ImageError::InvalidName { image: image.clone(), found: found.to_owned() })?;
    let size =
        || async { size(engine, image).await.map_err(|error| ImageError::Pull { found: words(&error) }) };
    match policy {
        PullPolicy::IfNotPresent if size().await?.is_some() => return Ok(Fetched::Present),
        PullPolicy::Never => {
            return match size().await? {
                Some(_) => Ok(Fetched::Present),
                None => Err(ImageError::NeverPull { image: image.clone() }),
            };
        }
        PullPolicy::IfNotPresent | PullPolicy::Always => {}
    }
    let _ = news_tx.send(ImageNews::Pulling).await;
    let began = Instant::now();
    let credential = credentials::of(&reference.registry, credentials, home).await;
    match pull(engine, &reference.full, credential, news_tx).await {
        Ok(()) => {
            Ok(Fetched::Pulled { took: began.elapsed(), size_bytes: size().await?.unwrap_or_default() })
        }
        // Whoever builds images here never pushes most of them, and the tag `latest` asks always.
        Err(found) if *policy == PullPolicy::Always && size().await?.is_some() => Ok(Fetched::Kept { found }),
        Err(found) => Err(ImageError::Pull { found }),
    }
}

/// How large the image is, where it is there.
async fn size(engine: &Engine, image: &str) -> Result<Option<u64>, Error> {
    match engine.docker().inspect_image(image).await {
        Ok(found) => Ok(Some(found.size.and_then(|size| size.try_into().ok()).unwrap_or_default())),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn pull(
    engine: &Engine,
    image: &str,
    credential: Option<bollard::auth::DockerCredentials>,
    news_tx: &ImageNewsSender,
) -> Result<(), String> {
    let options = CreateImageOptionsBuilder::new().from_image(image).build();
    let docker = engine.patient(SILENT_FOR);
    let mut told = std::pin::pin!(docker.create_image(Some(options), None, credential));
    let mut layers = Layers::default();
    let mut told_at = Instant::now();
    loop {
        let next = tokio::time::timeout(SILENT_FOR, told.next()).await;
        match next.map_err(|_| format!("the registry said nothing for {SILENT_FOR:?}"))? {
            None => return Ok(()),
            Some(Ok(info)) => {
                if let Some(error) = info.error_detail.as_ref().and_then(|detail| detail.message.clone()) {
                    return Err(error);
                }
                layers.learn(&info);
                if told_at.elapsed() >= TOLD_EVERY {
                    told_at = Instant::now();
                    // Whoever reads slowly misses some.
                    let _ = news_tx.try_send(layers.news());
                }
            }
            Some(Err(error)) => return Err(words(&error)),
        }
    }
}

/// How far each layer is.
#[derive(Debug, Default)]
struct Layers(BTreeMap<String, (u64, u64)>);

// === impl Layers ===

impl Layers {
    fn learn(&mut self, info: &CreateImageInfo) {
        let Some(id) = &info.id else { return };
        let detail = info.progress_detail.as_ref();
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok());
        let (current, total) = (
            number(detail.and_then(|detail| detail.current)),
            number(detail.and_then(|detail| detail.total)),
        );
        let layer = self.0.entry(id.clone()).or_default();
        match (info.status.as_deref(), current, total) {
            (Some("Downloading"), Some(current), Some(total)) => *layer = (current.min(total), total),
            (Some("Download complete" | "Pull complete" | "Already exists"), ..) => layer.0 = layer.1,
            _ => {}
        }
    }

    fn news(&self) -> ImageNews {
        let sum = |of: fn(&(u64, u64)) -> u64| self.0.values().map(of).sum();
        ImageNews::Progress { n_bytes: sum(|layer| layer.0), of_bytes: sum(|layer| layer.1) }
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    #[test]
    fn progress_is_the_sum_of_the_layers() {
        let mut layers = Layers::default();
        let mut told = |id: &str, status: &str, numbers: Option<(i64, i64)>| {
            let progress_detail =
                numbers.map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) });
            let status = Some(status.to_owned());
            layers.learn(&CreateImageInfo {
                id: Some(id.to_owned()),
                status,
                progress_detail,
                ..CreateImageInfo::default()
            });
            layers.news()
        };
        let progress = |n_bytes, of_bytes| ImageNews::Progress { n_bytes, of_bytes };
        assert_eq!(told("a", "Downloading", Some((10, 100))), progress(10, 100));
        assert_eq!(told("b", "Downloading", Some((5, 50))), progress(15, 150));
        assert_eq!(told("a", "Download complete", None), progress(105, 150));
        assert_eq!(told("a", "Extracting", Some((7, 900))), progress(105, 150));
        assert_eq!(told("c", "Already exists", None), progress(105, 150));
    }
}
