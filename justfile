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

# The properties of matchers, sanitiser and header parsers, each with so many cases.
fuzz CASES="100000":
    PROPTEST_CASES={{CASES}} cargo test --release -p spur-net -p spur-proxy --lib properties
    PROPTEST_CASES={{CASES}} cargo test --release -p spur-route

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

# The binary as it is published, in target/dist/spur.
dist:
    cargo build --profile dist

# Writes per second beside the disk's own fsync rate.
bench-store:
    cargo run --release -p spur-store --example writes

# The API server's figures beside the budgets; `just bench-api writes lists` for some.
bench-api *SECTIONS:
    cargo bench --profile dist --bench api -- {{SECTIONS}}

# The data plane beside nginx, HAProxy and Envoy; `just bench-proxy quick` for the main rows.
bench-proxy *SECTIONS:
    cargo bench --profile dist --bench proxy -- {{SECTIONS}}

# Frame times of the terminal interface under 50,000 hops a second, beside the budget.
bench-tui:
    cargo run --release -p spur-tui --example frames

# The terminal interface itself on a terminal, while 50,000 hops a second are recorded.
bench-firehose:
    cargo bench --profile release --bench firehose

# The README's pictures of the terminal interface (needs tmux and Python).
pictures:
    cargo build --release
    docs/pictures.py target/release/spur

# The table of protobuf messages anew, from the sources of two crates (needs the network).
protobuf-tables:
    #!/usr/bin/env bash
    set -euo pipefail
    scratch=$(mktemp -d)
    trap 'rm -r "$scratch"' EXIT
    cargo init --quiet --vcs none --name scratch "$scratch"
    cargo add --quiet --manifest-path "$scratch/Cargo.toml" k8s-pb@=0.9.0
    cargo add --quiet --manifest-path "$scratch/Cargo.toml" k8s-openapi@=0.29.0 --features v1_36
    cargo vendor --quiet --manifest-path "$scratch/Cargo.toml" "$scratch/vendor" > "$scratch/config.toml"
    cargo run --quiet -p spur-api --example protobuf_tables -- \
        "$scratch/vendor/k8s-pb/src" "$scratch/vendor/k8s-openapi/src/v1_36" > "$scratch/tables.txt"
    mv "$scratch/tables.txt" src/api/protobuf/tables.txt
