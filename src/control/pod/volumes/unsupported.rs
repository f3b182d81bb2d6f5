//! Kinds of volumes that nothing here can make.

use k8s_openapi::api::core::v1::Volume;

/// The kind of a volume that is none of those we make. A kind that Kubernetes adds has to be decided
/// on here.
pub(super) fn kind(volume: &Volume) -> Option<&'static str> {
    let Volume {
        name: _,
        config_map: _,
        downward_api: _,
        empty_dir: _,
        host_path: _,
        persistent_volume_claim: _,
        projected: _,
        secret: _,
        aws_elastic_block_store,
        azure_disk,
        azure_file,
        cephfs,
        cinder,
        csi,
        ephemeral,
        fc,
        flex_volume,
        flocker,
        gce_persistent_disk,
        git_repo,
        glusterfs,
        image,
        iscsi,
        nfs,
        photon_persistent_disk,
        portworx_volume,
        quobyte,
        rbd,
        scale_io,
        storageos,
        vsphere_volume,
    } = volume;
    let kinds = [
        (aws_elastic_block_store.is_some(), "awsElasticBlockStore"),
        (azure_disk.is_some(), "azureDisk"),
        (azure_file.is_some(), "azureFile"),
        (cephfs.is_some(), "cephfs"),
        (cinder.is_some(), "cinder"),
        (csi.is_some(), "csi"),
        (ephemeral.is_some(), "ephemeral"),
        (fc.is_some(), "fc"),
        (flex_volume.is_some(), "flexVolume"),
        (flocker.is_some(), "flocker"),
        (gce_persistent_disk.is_some(), "gcePersistentDisk"),
        (git_repo.is_some(), "gitRepo"),
        (glusterfs.is_some(), "glusterfs"),
        (image.is_some(), "image"),
        (iscsi.is_some(), "iscsi"),
        (nfs.is_some(), "nfs"),
        (photon_persistent_disk.is_some(), "photonPersistentDisk"),
        (portworx_volume.is_some(), "portworxVolume"),
        (quobyte.is_some(), "quobyte"),
        (rbd.is_some(), "rbd"),
        (scale_io.is_some(), "scaleIO"),
        (storageos.is_some(), "storageos"),
        (vsphere_volume.is_some(), "vsphereVolume"),
    ];
    kinds.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, kind)| kind)
}
