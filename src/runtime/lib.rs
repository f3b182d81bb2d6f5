//! What runs a pod.
