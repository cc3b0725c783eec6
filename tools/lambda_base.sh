#!/usr/bin/env bash
# Builds container images on a machine that cannot pull them; then `sam local invoke --skip-pull-image` works.
#
#   sudo tools/lambda_base.sh      (not needed where `docker pull` reaches a registry)
#
# They are made from packages of apt and pip only:
#   zebros/python:3.13   a small Debian with its own Python 3.13; worker/Dockerfile takes it as BASE_IMAGE
#   zebros/lambda:3.13   the same with AWS's runtime interface client, and with the name by which the
#                        environment's SAM CLI (make env) looks for Lambda's image
# Installs docker.io, iptables and debootstrap if they are missing, and starts dockerd if it does not run
# (it keeps running; its pid is in /run/docker.pid). A second run changes nothing and takes seconds.
# MIRROR is a Debian mirror, needed if apt has none; DOCKERD_OPTIONS are options for starting dockerd.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=3.13 SUITE=trixie
PLAIN=zebros/python:$VERSION LAMBDA=zebros/lambda:$VERSION
SAM_PYTHON=.venv/bin/python
WORK='' STARTED=$SECONDS

report() { printf '%4d s  %s\n' $((SECONDS - STARTED)) "$*" >&2; }
fail() { report "$*"; exit 1; }
# Runs a command without its output, which is shown only when it fails.
quietly() {
  "$@" >"$WORK/output" 2>&1 </dev/null || { tail -15 "$WORK/output" >&2; fail "failed: $1 ${2:-}"; }
}
tidy() {
  # debootstrap mounts proc inside its tree, which must be unmounted before the tree is removed.
  while read -r _ place _; do
    case $place in "$WORK" | "$WORK"/*) umount -l "$place" || true ;; esac
  done </proc/self/mounts
  rm -rf --one-file-system "$WORK"
}

[ "$(id -u)" = 0 ] || fail "debootstrap and dockerd need root: sudo $0"
[ "$(uname -m)" = x86_64 ] || fail "the functions are made for x86_64, this machine is $(uname -m)"
[ -x "$SAM_PYTHON" ] || fail "there is no environment yet: make env"
WORK=$(mktemp -d /var/tmp/zebros-images.XXXXXX)
trap tidy EXIT
# In memory if there is enough, because unpacking waits for the disk after every file.
if [ "$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)" -gt 4000 ]; then
  mount -t tmpfs -o size=1500m,mode=0700,dev,exec,suid zebros-images "$WORK" || true
fi

# --- Docker ---------------------------------------------------------------------------------------
answers() { timeout 20 docker info >/dev/null 2>&1; }

packages=()
command -v dockerd >/dev/null || answers || packages+=(docker.io iptables)
command -v debootstrap >/dev/null || packages+=(debootstrap)
if [ ${#packages[@]} -gt 0 ]; then
  report "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  quietly apt-get update
  quietly apt-get install -y --no-install-recommends ca-certificates "${packages[@]}"
fi
if ! answers; then
  report "starting dockerd"
  # In a separate session, so that it keeps running after this script and its terminal.
  # shellcheck disable=SC2086  # several options
  setsid dockerd ${DOCKERD_OPTIONS:-} >/var/log/zebros-dockerd.log 2>&1 </dev/null &
  for _ in $(seq 60); do answers && break; sleep 0.5; done
  answers || { tail -5 /var/log/zebros-dockerd.log >&2; fail "dockerd does not answer"; }
fi

# An image is up to date when this version of the script made it.
recipe=$(cat "$0" requirements/container.txt | sha256sum | cut -c1-12)
current() { [ "$(docker image inspect -f '{{index .Config.Labels "zebros.recipe"}}' "$1" 2>/dev/null)" = "$recipe" ]; }

# --- a small Debian with Python -------------------------------------------------------------------
mirror() {
  # The mirror of this machine's own packages.
  apt-get indextargets --format '$(REPO_URI) $(COMPONENT) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
    awk '$2 == "main" && $3 == "Debian" { print $1; exit }'
}

make_plain() {
  local from root=$WORK/root
  from=${MIRROR:-$(mirror)}
  [ -n "$from" ] || fail "apt knows no Debian mirror: set MIRROR to one that has $SUITE"
  report "unpacking Debian $SUITE"
  http_proxy=${http_proxy:-$(apt-config dump --format '%v' Acquire::http::Proxy 2>/dev/null)}
  export http_proxy
  quietly debootstrap --variant=minbase --include="python3,python3-pip,ca-certificates,tzdata" \
    --keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$SUITE" "$root" "$from"
  [ -x "$root/usr/bin/python$VERSION" ] || fail "Debian $SUITE has no Python $VERSION"
  # It is the only Python of a container, so pip may install into it.
  rm -f "$root/usr/lib/python$VERSION/EXTERNALLY-MANAGED"
  # Also trust this machine's additional certificate authorities, for pip in a container.
  cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/" 2>/dev/null || true
  quietly chroot "$root" update-ca-certificates
  rm -rf "$root"/var/cache/apt "$root"/var/lib/apt/lists "$root"/usr/share/{doc,man,info,locale}
  : >"$root/etc/resolv.conf"
  : >"$root/etc/hostname"
  tar -C "$root" --one-file-system --numeric-owner -c . | docker import \
    -c "LABEL zebros.recipe=$recipe" -c "ENV LANG=C.UTF-8" -c 'CMD ["python3"]' - "$PLAIN" >/dev/null
}

# --- Lambda's runtime on top of it ----------------------------------------------------------------
make_lambda() {
  local folder=$WORK/lambda
  mkdir -p "$folder/runtime"
  report "adding the runtime interface client"
  quietly "$SAM_PYTHON" -m pip install --disable-pip-version-check --root-user-action ignore --no-deps \
    --require-hashes --only-binary=:all: --implementation cp --python-version "$VERSION" \
    --platform manylinux2014_x86_64 --platform manylinux_2_28_x86_64 \
    --target "$folder/runtime" -r requirements/container.txt
  cat >"$folder/runtime/bootstrap" <<PYTHON
#!/usr/bin/python$VERSION
"""Started by Lambda's emulator. Imports come from the function's code, its layers, then this folder."""
import os
import sys

task = os.environ.get("LAMBDA_TASK_ROOT", "/var/task")
os.chdir(task)
sys.path[0:1] = [task, "/opt/python", "/var/runtime"]
os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python$VERSION"

from awslambdaric.__main__ import main

main(["bootstrap", os.environ["_HANDLER"]])
PYTHON
  chmod 755 "$folder/runtime/bootstrap"
  cat >"$folder/Dockerfile" <<DOCKER
FROM $PLAIN
COPY runtime /var/runtime
RUN mkdir -p /var/task /var/rapid /opt/python && python3 -m compileall -q /var/runtime
ENV LAMBDA_TASK_ROOT=/var/task LAMBDA_RUNTIME_DIR=/var/runtime
WORKDIR /var/task
LABEL zebros.recipe=$recipe
ENTRYPOINT ["/var/runtime/bootstrap"]
DOCKER
  DOCKER_BUILDKIT=0 quietly docker build --network none -t "$LAMBDA" "$folder"
}

# --- the name by which SAM looks for it -----------------------------------------------------------
name_for_sam() {
  local wanted derived
  read -r wanted derived < <("$SAM_PYTHON" - "$VERSION" <<'PYTHON'
import sys

from samcli.local.docker.lambda_image import RAPID_IMAGE_TAG_PREFIX, LambdaImage, Runtime

version = sys.argv[1]
name = Runtime.get_image_name_tag(f"python{version}", "x86_64")
repository = f"{LambdaImage._INVOKE_REPO_PREFIX}/{name.partition(':')[0]}"
print(f"{LambdaImage._INVOKE_REPO_PREFIX}/{name}", f"{repository}:{version}-{RAPID_IMAGE_TAG_PREFIX}-x86_64")
PYTHON
  ) || true
  [ -n "${derived:-}" ] || fail "the name of Lambda's image cannot be read from this SAM CLI"
  if [ "$(docker image inspect -f '{{.Id}}' "$wanted" 2>/dev/null)" != "$(docker image inspect -f '{{.Id}}' "$LAMBDA")" ]; then
    docker tag "$LAMBDA" "$wanted"
    # SAM has added its emulator to the previous image; remove that one.
    docker image rm -f "$derived" >/dev/null 2>&1 || true
  fi
}

current "$PLAIN" || make_plain
current "$LAMBDA" || make_lambda
name_for_sam
quietly docker run --rm --network none --entrypoint python3 -e PYTHONPATH=/var/runtime "$LAMBDA" \
  -c "import awslambdaric.__main__, runtime_client"
# Remove images of earlier versions of this script.
docker image prune -f --filter label=zebros.recipe >/dev/null
report "ready: $PLAIN, $LAMBDA"
