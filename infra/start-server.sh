#!/bin/sh
# Starts a process of the school's in its container: the secrets' files become the variables it reads, and a missing one is named.
# Alone: everything in one process. `start-server.sh serve`: one of several servers; `start-server.sh record`: a recorder.
# `start-server.sh templates --status`: a command of package.json, beside a running server; audit and retention alike.
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
# shellcheck disable=SC2016 # the dollars are JavaScript's
DATABASE_URL="$(PASSWORD="$password" node -p '
  const [user, password] = [process.env.POSTGRES_USER, process.env.PASSWORD].map(encodeURIComponent);
  `postgres://${user}:${password}@${process.env.POSTGRES_HOST}/${process.env.POSTGRES_DB}`')"
export DATABASE_URL
if [ -n "${REDIS_HOST:-}" ]; then
  password="$(secret redis_password)"
  # shellcheck disable=SC2016
  REDIS_URL="$(PASSWORD="$password" node -p '`redis://:${encodeURIComponent(process.env.PASSWORD)}@${process.env.REDIS_HOST}`')"
  export REDIS_URL
fi
if [ "${1:-}" != record ]; then
  API_KEY="$(secret api_key)"
  OFFICE_PASSWORD="$(secret office_password)"
  SCHOOL_KEY="$(secret school_key)"
  export API_KEY OFFICE_PASSWORD SCHOOL_KEY
  # There only while the school changes its key.
  if [ -s "$dir/school_key_before" ]; then
    SCHOOL_KEY_BEFORE="$(secret school_key_before)"
    export SCHOOL_KEY_BEFORE
  fi
  # There only where people sign in by the school's own login.
  if [ -s "$dir/oidc_client_secret" ]; then
    OIDC_CLIENT_SECRET="$(secret oidc_client_secret)"
    export OIDC_CLIENT_SECRET
  fi
fi

case "${1:-}" in
  templates | audit | retention)
    command="$1"
    shift
    exec node --import tsx "server/$command-command.ts" "$@"
    ;;
esac
exec node --import tsx server/main.ts "$@"
