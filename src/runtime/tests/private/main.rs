//! Pods of processes in networks of their own.
//!
//! The holder, the programs in pods and another Spur are this binary again, told by its first argument
//! what to be.

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod linux;

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("ignored: network namespaces are not supported on this system");
}
