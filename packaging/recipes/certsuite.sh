#!/bin/sh
# Runs certsuite in podman with the installed folder: certsuite.sh DIR RESULTS KUBECONFIG [ARGUMENT…]
# Tried: packaging/check-recipes runs it with podman and another program under the name of certsuite's image.
set -eu
db=$(realpath "$1") results=$(realpath "$2") config=$(realpath "$3")
shift 3
# What certsuite would find: it asks the catalog first, and the folder only where nobody answers (exit code 1 says which).
oct doctor "$db"
# The whole folder is mounted, not `data`: an import replaces `data`, and a mount would keep the old one. `ro`: certsuite only
# reads. `z` gives it a label that other containers and the next import share; with `Z` it would belong to this container alone.
exec podman run --rm \
    --volume "$db:/offline-db:ro,z" \
    --volume "$results:/results:Z" \
    --volume "$config:/kubeconfig:ro,Z" \
    quay.io/redhat-best-practices-for-k8s/certsuite:latest \
    certsuite run --offline-db /offline-db --kubeconfig /kubeconfig --output-dir /results "$@"
