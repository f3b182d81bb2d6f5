//! The holder in containers of a Docker engine; there is none but on Linux.

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
