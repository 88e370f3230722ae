#!/bin/sh
# Starts the server in its container: the secrets' files become the variables it reads, and a missing one is named.
set -eu
dir="${SECRETS_DIR:-/run/secrets}"

secret() {
  if ! [ -s "$dir/$1" ]; then
    echo "The secret $dir/$1 is missing or empty; make it with infra/make-secrets.sh." >&2
    exit 1
  fi
  cat "$dir/$1"
}

# In steps: a failure inside export "$(...)" would go unseen.
password="$(secret postgres_password)"
API_KEY="$(secret api_key)"
OFFICE_PASSWORD="$(secret office_password)"
# shellcheck disable=SC2016 # the dollars are JavaScript's
DATABASE_URL="$(PASSWORD="$password" node -p '
  const [user, password] = [process.env.POSTGRES_USER, process.env.PASSWORD].map(encodeURIComponent);
  `postgres://${user}:${password}@${process.env.POSTGRES_HOST}/${process.env.POSTGRES_DB}`')"
export API_KEY OFFICE_PASSWORD DATABASE_URL

exec node --import tsx server/main.ts
