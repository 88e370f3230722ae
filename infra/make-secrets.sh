#!/bin/sh
# Makes the secrets that compose.yaml asks for: each once, long and random. What is there already stays.
# The folder is closed to other people (0700); the files are readable (0444), because in its container
# each is read by another user. They reach a container as single files, so the folder's lock stays on the host.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets
chmod 700 secrets

# 256 bits as 43 characters of base64url: the form in which the server takes its keys.
random() { head -c 32 /dev/urandom | base64 | tr -d '=\n' | tr '+/' '-_'; }

for name in postgres_password redis_password api_key office_password school_key; do
  if [ -s "secrets/$name" ]; then
    echo "kept  infra/secrets/$name"
  else
    random >"secrets/$name.new"
    chmod 444 "secrets/$name.new"
    mv -f "secrets/$name.new" "secrets/$name"
    echo "made  infra/secrets/$name"
  fi
done
