# The image of the server, of its migrations and of every other subcommand: `docker build -t payaid .`

# The explorer: a static folder, which the binary carries inside.
FROM node:20.20.2-bookworm-slim AS explorer
WORKDIR /explorer
COPY explorer/package.json explorer/package-lock.json explorer/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY explorer/ ./
RUN npm run build

# The dependencies alone, on stand-ins for our own sources, for the first of two builds: these layers are built again only when a file changes that is
# copied here.
FROM rust:1.95.0-slim-bookworm AS dependencies
WORKDIR /build
# What a release is built with, and the database that it serves meanwhile.
COPY scripts/apt-install.sh scripts/
RUN scripts/apt-install.sh bolt-22 llvm-22 postgresql
COPY scripts/release.sh scripts/
COPY Cargo.toml Cargo.lock build.rs ./
RUN mkdir -p src tests/it bench/speed \
  && touch src/lib.rs \
  && echo 'fn main() {}' | tee src/main.rs bench/speed/main.rs > tests/it/main.rs \
  && scripts/release.sh dependencies

FROM dependencies AS builder
COPY src/ src/
COPY migrations/ migrations/
COPY bench/speed/ bench/speed/
COPY --from=explorer /explorer/dist explorer/dist
# Newer than the stand-ins, whatever the times of the files that were copied. The same as `make release`.
RUN touch src/lib.rs src/main.rs bench/speed/main.rs && scripts/release.sh

FROM debian:bookworm-20260824-slim
# The certificates of public authorities, for databases that are reached over TLS; openssl, which makes signing keys, comes with them.
RUN apt-get update \
  && apt-get install --yes --no-install-recommends ca-certificates openssl \
  && rm -rf /var/lib/apt/lists/* \
  && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin payaid \
  && install --directory --owner payaid --group payaid --mode 0700 /var/lib/payaid
COPY --from=builder /build/target/optimised/payaid /usr/local/bin/payaid
USER 10001:10001
ENV LISTEN=0.0.0.0:8080 LOG_FORMAT=json
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --retries=3 CMD ["payaid", "healthcheck"]
ENTRYPOINT ["payaid"]
CMD ["serve"]
