# syntax=docker/dockerfile:1
# Builds the one binary and puts it, the products and the mesh policies into a small image that runs without root.

FROM rust:1.95-slim-bookworm AS base
WORKDIR /src

# Every manifest with an empty crate behind it: this stage's result changes only when a Cargo.toml or the lock does.
FROM base AS manifests
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /all
COPY . .
RUN find . -name Cargo.toml -not -path './target/*' | while read -r manifest; do \
        crate="/skeleton/$(dirname "$manifest")"; \
        mkdir -p "$crate/src" && cp "$manifest" "$crate/" \
        && if [ -f "$(dirname "$manifest")/src/main.rs" ]; then echo 'fn main() {}' > "$crate/src/main.rs"; fi \
        && if [ -f "$(dirname "$manifest")/src/lib.rs" ]; then : > "$crate/src/lib.rs"; fi; \
    done \
    && cp Cargo.lock /skeleton/

# All dependencies, compiled once for as long as the manifests stay the same.
FROM base AS dependencies
COPY --from=manifests /skeleton/ ./
RUN cargo build --locked --profile dist --bin terrane

FROM dependencies AS build
COPY . .
# Sources keep the times of the checkout, which are older than the empty crates: without this cargo would reuse those.
RUN find . -name '*.rs' -not -path './target/*' -exec touch {} + \
    && cargo build --locked --profile dist --bin terrane

FROM debian:bookworm-slim
RUN groupadd --system --gid 10001 terrane \
    && useradd --system --uid 10001 --gid terrane --home-dir /nonexistent --no-create-home --shell /usr/sbin/nologin terrane
COPY --from=build /src/target/dist/terrane /usr/local/bin/terrane
COPY --chmod=0755 deploy/healthcheck.sh /usr/local/bin/terrane-healthcheck
COPY products /opt/terrane/products
COPY policies /opt/terrane/policies
COPY LICENSE-MIT LICENSE-APACHE /opt/terrane/
WORKDIR /opt/terrane
USER 10001:10001
ENV TERRANE_LISTEN=0.0.0.0:4000 TERRANE_AUDIT_SPOOL=/tmp/terrane-audit
EXPOSE 4000 4001
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 CMD ["terrane-healthcheck"]
ENTRYPOINT ["terrane"]
CMD ["gateway", "--config", "/etc/terrane/gateway.yaml"]
