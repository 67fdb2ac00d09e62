# An image of cairnd, cairn and cairn-agent, which is what the chart runs (docs/kubernetes.md).
#
#   docker build -t cairn:0.1.0 .
#   docker build -t cairn:0.1.0 --build-arg ENGINES="redis-server memcached" .
#
# ENGINES: Debian packages of engines, for agents that start their own and for `cairn-agent
# snapshot` and `restore`; the chart's caches bring theirs in containers of their own.
#
# Nothing is written but to the data directory, so the root file system can be read-only; nothing
# needs root or a capability.

FROM debian:bookworm-slim AS build
WORKDIR /src
COPY scripts/setup scripts/packages scripts/
RUN scripts/setup build
COPY . .
RUN cmake --preset release -DCAIRN_BUILD_TESTS=OFF -DCAIRN_BUILD_BENCH=OFF \
 && cmake --build --preset release --target cairnd cairn cairn-agent cairn_client cairn_c \
 && cpack -G DEB --config build/release/CPackConfig.cmake -B /packages

FROM debian:bookworm-slim
ARG ENGINES=""
# The packages know the libraries that they need.
RUN --mount=type=bind,from=build,source=/packages,target=/packages \
    apt-get update \
 && apt-get install -y --no-install-recommends \
      /packages/cairn_*.deb /packages/cairn-agent_*.deb ca-certificates $ENGINES \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin nonroot \
 && install -d -o 10001 -g 10001 -m 0700 /var/lib/cairn
USER 10001:10001
WORKDIR /
EXPOSE 7400 7480
STOPSIGNAL SIGTERM
ENTRYPOINT ["cairnd"]
CMD ["--help"]
