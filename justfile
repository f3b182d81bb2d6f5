# The daily recipes; `just` alone lists them.

default:
    @just --list

# Format, lint and test: what a change has to pass.
ci: fmt lint test

fmt:
    cargo fmt --all

lint:
    cargo clippy --workspace --all-targets -- -D warnings

test *ARGS:
    cargo test --workspace {{ARGS}}

# One crate: `just crate spur-route`.
crate NAME:
    cargo clippy -p {{NAME}} --all-targets -- -D warnings
    cargo test -p {{NAME}}

# The demo, from a release build.
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Spur here, with the demo's shop applied.
up:
    cargo run --release -- up -f fixtures/demo

# Writes per second beside the disk's own fsync rate.
bench-store:
    cargo run --release -p spur-store --example writes
