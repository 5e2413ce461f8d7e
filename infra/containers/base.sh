#!/bin/sh
# A base image for machines that cannot pull one: Debian's smallest system, by debootstrap. Run as root:
#   infra/containers/base.sh localhost/pi3-base:bookworm
set -eu
image=${1:?name of the image}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
debootstrap --variant=minbase bookworm "$folder/root"
rm -rf "$folder/root/var/cache/apt" "$folder/root/var/lib/apt/lists"
tar -C "$folder/root" -c . | podman import - "$image"
