# The old offline-catalog container, remade: a static binary and a freshly made bundle in an otherwise empty image.
#
#   podman build -t oct --build-arg DATE=$(date +%F) .        the bundle is fetched and signed during the build
#   podman run --rm -v ./offline-db:/tmp/dump:z -e OCT_DUMP_ONLY=true oct
#   podman run --rm -v ./offline-db:/tmp/dump:z oct           fetches the catalog as it is now
#
# The bundle is signed with a key that is made during the build and not kept: it proves that the image is whole. To
# sign with a site's own key, unencrypted, give both its files as build secrets:
#
#   podman build -t oct --secret id=oct.key,src=oct.key --secret id=oct.pub,src=oct.pub .

FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /src
COPY . .
# As in packaging/build: static, and random numbers by the system call.
ENV RUSTFLAGS="-C target-feature=+crt-static --cfg getrandom_backend=\"linux_getrandom\""
RUN cargo build --release --locked -p oct --features static-dns --target "$(uname -m)-unknown-linux-gnu" \
    && install -D "target/$(uname -m)-unknown-linux-gnu/release/oct" /root-of-image/usr/bin/oct \
    && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /root-of-image/etc/ssl/certs/ca-certificates.crt \
    && install -d -m 1777 /root-of-image/tmp /root-of-image/tmp/dump

FROM build AS bundle
# Another catalog than Red Hat's own, such as a mirror.
ARG OCT_CATALOG_URL
ARG OCT_CHARTS_URL
# What makes a build fetch anew: the same DATE takes the bundle of an earlier build from the cache.
ARG DATE=
RUN --mount=type=secret,id=oct.key,target=/run/secrets/oct.key,mode=0600 \
    --mount=type=secret,id=oct.pub,target=/run/secrets/oct.pub \
    set -e; out=/root-of-image/usr/share/oct/bundle; mkdir -p "$out" /keys; \
    key=/keys/oct.key; \
    if [ -s /run/secrets/oct.key ]; then key=/run/secrets/oct.key; cp /run/secrets/oct.pub "$out/oct.pub"; \
    else /root-of-image/usr/bin/oct keygen --no-password --out /keys --comment "made for this image"; \
         cp /keys/oct.pub "$out/oct.pub"; fi; \
    /root-of-image/usr/bin/oct bundle --out "$out" --secret-key "$key" --no-progress; \
    chmod 0644 "$out"/*; rm -rf /keys

FROM scratch
LABEL org.opencontainers.image.title="oct" \
      org.opencontainers.image.description="Red Hat's certified-artifact catalog, for use offline" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"
COPY --from=bundle /root-of-image/ /
ENV HOME=/tmp
USER 1001
VOLUME ["/tmp/dump"]
ENTRYPOINT ["/usr/bin/oct"]
CMD ["dump"]
